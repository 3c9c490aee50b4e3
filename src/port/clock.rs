//! The clock. Dates are for people; order is by sequence numbers.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};

use super::stop::{Stop, Stopped};

/// Seconds since 1970, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moment(pub i64);

impl Moment {
    pub fn now() -> Moment {
        Moment(Timestamp::now().as_second())
    }

    /// Its day where this system is, for people: `2026-11-29`.
    pub fn local_day(self) -> String {
        self.in_zone(TimeZone::system(), "%F")
    }

    /// The same with hour and minute: `2026-11-29 07:15`.
    pub fn local_minute(self) -> String {
        self.in_zone(TimeZone::system(), "%F %H:%M")
    }

    /// The same of a date as text, such as `DISC.txt` has; what is not a date stays as it is.
    pub fn local_minute_of(date: &str) -> String {
        Moment::parse(date).map_or_else(|| date.to_owned(), Moment::local_minute)
    }

    fn in_zone(self, zone: TimeZone, form: &str) -> String {
        match Timestamp::from_second(self.0) {
            Ok(time) => time.to_zoned(zone).strftime(form).to_string(),
            Err(_) => self.to_string(),
        }
    }

    /// Reads what it shows as.
    pub fn parse(text: &str) -> Option<Moment> {
        text.parse::<Timestamp>().ok().map(|time| Moment(time.as_second()))
    }
}

/// `2026-11-22T23:05:33Z`, as in `DISC.txt`. A moment outside of years -9999..9999 shows as seconds.
impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match Timestamp::from_second(self.0) {
            Ok(time) => write!(f, "{time:.0}"),
            Err(_) => write!(f, "@{}", self.0),
        }
    }
}

/// As it shows.
impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// When to give up waiting, by a clock that nobody sets.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    pub fn never() -> Deadline {
        Deadline(None)
    }

    pub fn after(time: Duration) -> Deadline {
        Deadline(Instant::now().checked_add(time))
    }

    /// `None`: for ever.
    pub fn left(&self) -> Option<Duration> {
        self.0.map(|end| end.saturating_duration_since(Instant::now()))
    }

    pub fn is_over(&self) -> bool {
        self.left() == Some(Duration::ZERO)
    }
}

/// Measures how long something takes.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// Sleeps, but not through a wish to stop.
pub fn pause(time: Duration, stop: &Stop) -> Result<(), Stopped> {
    const SLICE: Duration = Duration::from_millis(100);
    let end = Deadline::after(time);
    while let Some(left) = end.left().filter(|left| !left.is_zero()) {
        stop.check()?;
        std::thread::sleep(left.min(SLICE));
    }
    stop.check()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_show_as_utc_to_the_second() {
        assert_eq!(Moment(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Moment(1_795_388_733).to_string(), "2026-11-22T23:05:33Z");
        assert_eq!(Moment::parse("2026-11-22T23:05:33Z"), Some(Moment(1_795_388_733)));
        assert_eq!(Moment::parse("yesterday"), None);
    }

    #[test]
    fn people_see_the_time_of_their_zone() {
        let moment = Moment(1_795_388_733);
        let zone = |hours| TimeZone::fixed(jiff::tz::offset(hours));
        assert_eq!(moment.in_zone(zone(0), "%F %H:%M"), "2026-11-22 23:05");
        assert_eq!(moment.in_zone(zone(14), "%F %H:%M"), "2026-11-23 13:05");
        assert_eq!(moment.in_zone(zone(14), "%F"), "2026-11-23");
        assert_eq!(Moment(i64::MAX).in_zone(zone(0), "%F"), format!("@{}", i64::MAX));
    }
}
