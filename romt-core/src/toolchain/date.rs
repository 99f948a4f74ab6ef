//! The days on which releases are made.

use std::{fmt, str::FromStr};

use crate::InvalidValue;

/// The day of a release, which names its directory below `dist/`.
///
/// Written `YYYY-MM-DD`: a day of the calendar, from 2000 to 2999.
///
/// ```
/// # use romt_core::toolchain::ReleaseDate;
/// let date: ReleaseDate = "2024-02-29".parse()?;
/// assert_eq!(date.to_string(), "2024-02-29");
/// assert!("2023-02-29".parse::<ReleaseDate>().is_err());
/// # Ok::<(), romt_core::InvalidValue>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReleaseDate {
    year: u16,
    month: u8,
    day: u8,
}

impl ReleaseDate {
    /// When the day begins in UTC, in seconds since the beginning of 1970.
    pub fn begins_at(&self) -> u64 {
        // Years from March on, so that the leap day is the last.
        let (year, month) = match u64::from(self.month) {
            month @ ..3 => (u64::from(self.year) - 1, month + 9),
            month => (u64::from(self.year), month - 3),
        };
        let leap_days = year / 4 - year / 100 + year / 400;
        let day_of_year = (153 * month + 2) / 5 + u64::from(self.day) - 1;
        // From the first of March of the year 0 to 1970.
        let days = 365 * year + leap_days + day_of_year - 719_468;
        days * 86_400
    }
}

impl FromStr for ReleaseDate {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = |reason: &str| InvalidValue::new("date", text, reason);
        let form = || invalid("it must be written YYYY-MM-DD");
        let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = text.as_bytes() else {
            return Err(form());
        };
        let number = |digits: &[u8]| {
            digits.iter().try_fold(0_u16, |sum, digit| {
                let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
                Some(sum * 10 + u16::from(digit))
            })
        };
        let year = number(&[y1, y2, y3, y4]).ok_or_else(form)?;
        let month = number(&[m1, m2]).ok_or_else(form)?;
        let day = number(&[d1, d2]).ok_or_else(form)?;
        if !(2000..=2999).contains(&year) {
            return Err(invalid("its year must be 2000 to 2999"));
        }
        if !(1..=12).contains(&month) || !(1..=days_of(month, year)).contains(&day) {
            return Err(invalid("there is no such day"));
        }
        let short = |number| u8::try_from(number).map_err(|_| form());
        Ok(Self {
            year,
            month: short(month)?,
            day: short(day)?,
        })
    }
}

fn days_of(month: u16, year: u16) -> u16 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for ReleaseDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl fmt::Debug for ReleaseDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_the_calendar_keep_their_text_and_order() {
        let days = ["2000-02-29", "2023-12-31", "2024-02-29", "2999-12-31"];
        let parsed: Vec<ReleaseDate> = days.iter().map(|day| day.parse().unwrap()).collect();
        assert!(parsed.is_sorted());
        for (text, day) in days.iter().zip(parsed) {
            assert_eq!(day.to_string(), *text);
        }
    }

    #[test]
    fn hostile_m03_dates_are_days_of_the_calendar() {
        for bad in [
            "",
            "2024-13-45",
            "2024-00-10",
            "2024-02-30",
            "2023-02-29",
            "2100-02-29",
            "2024-04-31",
            "2024-01-00",
            "1999-12-31",
            "3000-01-01",
            "2024-2-8",
            "2024-02-080",
            " 2024-02-08",
            "2024/02/08",
            "+024-02-08",
            "../../x",
            "2024-02-0é",
            "２０２４-02",
        ] {
            assert!(bad.parse::<ReleaseDate>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn days_begin_when_they_do() {
        for (text, seconds) in [
            ("2000-01-01", 946_684_800),
            ("2000-02-29", 951_782_400),
            ("2000-03-01", 951_868_800),
            ("2018-01-01", 1_514_764_800),
            ("2024-12-31", 1_735_603_200),
        ] {
            let date: ReleaseDate = text.parse().unwrap();
            assert_eq!(date.begins_at(), seconds, "{text}");
        }
    }
}
