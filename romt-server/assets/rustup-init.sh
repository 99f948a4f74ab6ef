#!/bin/sh
# Installs rustup from the mirror that this script was fetched from.
#
#   curl -sSf ADDRESS/rustup-init.sh | sh
#   curl -sSf ADDRESS/rustup-init.sh | sh -s -- -y --default-toolchain stable
#
# Arguments go to rustup-init. RUSTUP_DIST_SERVER and RUSTUP_UPDATE_ROOT are set to
# the mirror unless they are set already; RUSTUP_VERSION asks for one version.
# Needs curl or wget, and sha256sum, shasum or openssl to check what it fetched.

set -eu

mirror=@MIRROR@

say() {
    printf 'rustup-init.sh: %s\n' "$*" >&2
}

fail() {
    say "$*"
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# fetch URL FILE
fetch() {
    if has curl; then
        curl --fail --silent --show-error --location --retry 3 --output "$2" "$1"
    elif has wget; then
        wget -q -O "$2" "$1"
    else
        fail "curl or wget is needed, and neither is here"
    fi
}

# The processor, as target names have it.
processor() {
    case "$1" in
        x86_64 | x86-64 | amd64) echo x86_64 ;;
        i386 | i486 | i586 | i686 | i86pc | x86) echo i686 ;;
        aarch64 | arm64) echo aarch64 ;;
        armv7l | armv8l) echo armv7 ;;
        arm | armv6l) echo arm ;;
        ppc64le | powerpc64le) echo powerpc64le ;;
        ppc64 | powerpc64) echo powerpc64 ;;
        ppc | powerpc) echo powerpc ;;
        riscv64) echo riscv64gc ;;
        s390x) echo s390x ;;
        loongarch64) echo loongarch64 ;;
        mips | mipsel | mips64 | mips64el) echo "$1" ;;
        *) fail "no target is known for the processor $1" ;;
    esac
}

# A kernel of 64 bits may run a system of 32.
narrow() {
    bits=$(getconf LONG_BIT 2>/dev/null || echo 64)
    case "$bits $1" in
        "32 x86_64") echo i686 ;;
        "32 aarch64") echo armv7 ;;
        *) echo "$1" ;;
    esac
}

is_musl() {
    for loader in /lib/ld-musl-*; do
        [ -e "$loader" ] && return 0
    done
    ldd --version 2>&1 | grep -qi musl
}

linux_target() {
    cpu=$(narrow "$1")
    if [ "$(uname -o 2>/dev/null)" = Android ]; then
        case "$cpu" in
            arm | armv7) echo "$cpu-linux-androideabi" ;;
            *) echo "$cpu-linux-android" ;;
        esac
        return
    fi
    # What is built for ARMv7 may use NEON, which not every such processor has.
    if [ "$cpu" = armv7 ] && ! grep -q -E 'neon|asimd' /proc/cpuinfo 2>/dev/null; then
        cpu=arm
    fi
    libc=gnu
    if is_musl; then libc=musl; fi
    case "$cpu" in
        armv7 | arm) echo "$cpu-unknown-linux-${libc}eabihf" ;;
        mips64 | mips64el) echo "$cpu-unknown-linux-${libc}abi64" ;;
        *) echo "$cpu-unknown-linux-$libc" ;;
    esac
}

# The target of this machine.
target() {
    system=$(uname -s)
    cpu=$(processor "$(uname -m)") || exit 1
    case "$system" in
        Linux) linux_target "$cpu" ;;
        Darwin)
            # A translated shell says that this is a machine of the older kind.
            if [ "$(sysctl -n hw.optional.arm64 2>/dev/null || echo 0)" = 1 ]; then
                cpu=aarch64
            fi
            echo "$cpu-apple-darwin"
            ;;
        FreeBSD) echo "$cpu-unknown-freebsd" ;;
        NetBSD) echo "$cpu-unknown-netbsd" ;;
        SunOS) echo x86_64-unknown-illumos ;;
        MINGW* | MSYS* | CYGWIN* | Windows_NT) echo "$cpu-pc-windows-msvc" ;;
        *) fail "no target is known for $system" ;;
    esac
}

# The digest of FILE, or nothing if there is no program to tell it.
digest() {
    if has sha256sum; then
        sha256sum "$1" | cut -c 1-64
    elif has shasum; then
        shasum -a 256 "$1" | cut -c 1-64
    elif has openssl; then
        openssl dgst -sha256 -r "$1" | cut -c 1-64
    fi
}

# check FILE URL: compares the file with the digest that the mirror has beside it.
check() {
    if ! fetch "$2.sha256" "$1.sha256" 2>/dev/null; then
        say "the mirror has no digest of rustup-init; it is not checked"
        return
    fi
    expected=$(cut -c 1-64 "$1.sha256" | head -n 1)
    actual=$(digest "$1")
    if [ -z "$actual" ]; then
        say "sha256sum, shasum and openssl are missing; rustup-init is not checked"
    elif [ "$actual" != "$expected" ]; then
        fail "rustup-init is damaged: its digest is $actual and not $expected; try again"
    fi
}

# Whether rustup-init asks no questions with these arguments.
is_silent() {
    for argument in "$@"; do
        case "$argument" in
            -y | --help | --version | -h | -V) return 0 ;;
            --*) ;;
            -*y*) return 0 ;;
        esac
    done
    return 1
}

main() {
    export RUSTUP_DIST_SERVER="${RUSTUP_DIST_SERVER:-$mirror}"
    export RUSTUP_UPDATE_ROOT="${RUSTUP_UPDATE_ROOT:-$mirror/rustup}"
    target=$(target) || exit 1
    program=rustup-init
    case "$target" in *-windows-*) program=rustup-init.exe ;; esac
    place=dist
    if [ -n "${RUSTUP_VERSION:-}" ]; then place=archive/$RUSTUP_VERSION; fi
    url=$RUSTUP_UPDATE_ROOT/$place/$target/$program

    directory=$(mktemp -d 2>/dev/null || mktemp -d -t rustup)
    trap 'rm -rf "$directory"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    say "fetching rustup-init for $target"
    fetch "$url" "$directory/$program" || fail "could not fetch $url; \
$RUSTUP_DIST_SERVER/ says for which targets the mirror has it"
    check "$directory/$program" "$url"
    chmod u+x "$directory/$program"
    [ -x "$directory/$program" ] || fail "programs cannot be run from $directory; \
set TMPDIR to a directory where they can"

    status=0
    if is_silent "$@" || [ -t 0 ]; then
        "$directory/$program" "$@" || status=$?
    elif [ -t 1 ]; then
        # What is on the standard input is this script.
        "$directory/$program" "$@" </dev/tty || status=$?
    else
        fail "there is no terminal to ask questions on; try: sh -s -- -y"
    fi
    if [ "$status" = 0 ]; then
        say "for rustup to find this mirror later, keep these in your profile:"
        say "  export RUSTUP_DIST_SERVER=$RUSTUP_DIST_SERVER"
        say "  export RUSTUP_UPDATE_ROOT=$RUSTUP_UPDATE_ROOT"
    fi
    return "$status"
}

# Nothing is run before all of the script is here.
main "$@"
