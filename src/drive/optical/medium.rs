//! What is in a drive: put together from the drive's replies, none of which is enough alone.

use super::mmc::{DiscInformation, DiscStatus, FormatCapacities, SessionState, TrackInformation};
use super::profile::{KiloBytesPerSecond, Profile};
use crate::model::Sectors;

/// BD is written in clusters of 32 sectors (64 KiB).
const CLUSTER: u64 = 32;

/// A medium as the drive sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Medium {
    pub profile: Profile,
    pub state: MediumState,
    /// What can be written on it now, or again.
    pub free: Sectors,
    /// What can be read from it.
    pub used: Sectors,
    pub sessions: u16,
    /// The last session that carries data was closed; growisofs leaves BD-R appendable behind one.
    pub is_closed: bool,
    pub layers: Option<u8>,
    /// Who made it, as it says itself: `CMCMAG BA5`.
    pub maker: Option<String>,
    /// Fastest first.
    pub speeds: Vec<KiloBytesPerSecond>,
    /// BD and DVD-RAM: with spare areas, or at least formatted. `None`: not a question.
    pub formatted: Option<bool>,
    /// Spare sectors: free, and all.
    pub spare: Option<(Sectors, Sectors)>,
    /// What would be left if it were formatted with spare areas.
    pub with_spares: Option<Sectors>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediumState {
    Blank,
    /// Bears something and takes more, or its burn did not end.
    Appendable,
    Complete,
    /// Why.
    Unusable(String),
}

/// The replies that a medium is made from; `None` where the drive gave none.
#[derive(Clone, Debug, Default)]
pub struct Replies {
    pub profile: Option<Profile>,
    pub disc: Option<DiscInformation>,
    pub track: Option<TrackInformation>,
    pub formats: Option<FormatCapacities>,
    pub capacity: Option<Sectors>,
    pub maker: Option<(u8, String)>,
    pub speeds: Vec<KiloBytesPerSecond>,
    pub spare: Option<(Sectors, Sectors)>,
}

impl Medium {
    pub fn from_replies(replies: Replies) -> Medium {
        let profile = replies.profile.unwrap_or(Profile::NONE);
        let state = state(profile, &replies);
        Medium {
            free: free(profile, &state, &replies),
            used: replies.capacity.unwrap_or_default(),
            sessions: replies.disc.map_or(0, |disc| disc.sessions),
            is_closed: replies.disc.is_some_and(is_closed),
            layers: replies.maker.as_ref().map(|(layers, _)| *layers),
            maker: replies.maker.map(|(_, maker)| maker).filter(|maker| !maker.is_empty()),
            speeds: replies.speeds,
            formatted: formatted(profile, replies.formats.as_ref()),
            spare: replies.spare,
            with_spares: with_spares(profile, replies.formats.as_ref()),
            profile,
            state,
        }
    }

    /// Bears something that may be written over in place, as BD-RE and DVD+RW.
    pub fn is_overwritable(&self) -> bool {
        self.profile.is_random_writable() && self.state != MediumState::Blank
    }

    /// What fits on it as one session from its beginning, in whole clusters.
    pub fn writable_whole(&self) -> Sectors {
        Sectors(self.free.0 / CLUSTER * CLUSTER)
    }
}

fn is_closed(disc: DiscInformation) -> bool {
    let last = disc.last_session;
    disc.status == DiscStatus::Finalised
        || last == SessionState::Complete
        || (disc.sessions > 1 && last == SessionState::Empty)
}

fn state(profile: Profile, replies: &Replies) -> MediumState {
    if let Some(track) = replies.track.filter(|_| profile.is_write_once()) {
        if track.damaged {
            let words = "its last track was not closed: a burn was interrupted".to_owned();
            return MediumState::Unusable(words);
        }
    }
    match replies.disc {
        // A drive that cannot say is a reader, and its medium is as it is.
        None => MediumState::Complete,
        Some(_) if is_unformatted(profile, replies) => MediumState::Blank,
        Some(disc) if is_formatted_blank(profile, disc, replies) => MediumState::Blank,
        Some(disc) => match disc.status {
            DiscStatus::Empty => MediumState::Blank,
            DiscStatus::Incomplete => MediumState::Appendable,
            DiscStatus::Finalised | DiscStatus::Other => MediumState::Complete,
        },
    }
}

/// A rewritable medium that must be formatted before its first use.
fn is_unformatted(profile: Profile, replies: &Replies) -> bool {
    profile.is_random_writable() && replies.formats.as_ref().is_some_and(|f| !f.is_formatted)
}

/// libburn's case: a BD-R that was formatted and not written says "appendable"; nothing can be read
/// from it, and its one session is empty.
fn is_formatted_blank(profile: Profile, disc: DiscInformation, replies: &Replies) -> bool {
    profile == Profile::BD_R
        && disc.status == DiscStatus::Incomplete
        && disc.last_session == SessionState::Empty
        && disc.sessions == 1
        && replies.capacity.unwrap_or_default() == Sectors(0)
}

fn free(profile: Profile, state: &MediumState, replies: &Replies) -> Sectors {
    if profile.is_random_writable() {
        let formats = replies.formats.as_ref();
        let formatted = formats.filter(|formats| formats.is_formatted).map(|f| f.current);
        let possible = || formats.and_then(|f| f.formats.iter().map(|(_, size)| *size).max());
        return formatted.or_else(possible).unwrap_or_default();
    }
    match (state, replies.track) {
        (MediumState::Blank | MediumState::Appendable, Some(track)) => track.free,
        _ => Sectors(0),
    }
}

fn formatted(profile: Profile, formats: Option<&FormatCapacities>) -> Option<bool> {
    formats.filter(|_| profile.is_blu_ray() || profile.0 == 0x12).map(|f| f.is_formatted)
}

/// BD-R: type 32h; BD-RE: type 30h; the largest size with spares (MMC-6 6.5.4.2.12 and following).
fn with_spares(profile: Profile, formats: Option<&FormatCapacities>) -> Option<Sectors> {
    let kind = match profile {
        Profile::BD_R => 0x32,
        Profile::BD_RE => 0x30,
        _ => return None,
    };
    let sizes = formats?.formats.iter().filter(|(this, _)| *this == kind).map(|(_, size)| *size);
    sizes.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disc(status: DiscStatus, last_session: SessionState, sessions: u16) -> DiscInformation {
        DiscInformation { status, last_session, erasable: false, sessions, last_track: sessions }
    }

    fn track(free: u64, damaged: bool) -> TrackInformation {
        TrackInformation {
            damaged,
            next_writable: Some(0),
            start: Sectors(0),
            free: Sectors(free),
            size: Sectors(free),
        }
    }

    fn bd_r(disc: DiscInformation) -> Replies {
        Replies {
            profile: Some(Profile::BD_R),
            disc: Some(disc),
            track: Some(track(12_219_392, false)),
            capacity: Some(Sectors(0)),
            ..Replies::default()
        }
    }

    #[test]
    fn a_blank_bd_r_takes_what_its_track_says() {
        let blank = disc(DiscStatus::Empty, SessionState::Empty, 1);
        let medium = Medium::from_replies(bd_r(blank));
        assert_eq!((medium.state, medium.free), (MediumState::Blank, Sectors(12_219_392)));
    }

    #[test]
    fn a_formatted_blank_bd_r_is_blank_though_it_says_appendable() {
        let formatted = disc(DiscStatus::Incomplete, SessionState::Empty, 1);
        assert_eq!(Medium::from_replies(bd_r(formatted)).state, MediumState::Blank);
        let mut written = bd_r(formatted);
        written.capacity = Some(Sectors(1000));
        assert_eq!(Medium::from_replies(written).state, MediumState::Appendable);
    }

    #[test]
    fn a_burn_that_was_cut_off_leaves_a_medium_of_no_use() {
        let mut replies = bd_r(disc(DiscStatus::Incomplete, SessionState::Incomplete, 1));
        replies.track = Some(track(0, true));
        assert!(matches!(Medium::from_replies(replies).state, MediumState::Unusable(_)));
    }

    #[test]
    fn a_finalised_disc_takes_nothing_more() {
        let mut replies = bd_r(disc(DiscStatus::Finalised, SessionState::Complete, 1));
        replies.capacity = Some(Sectors(5000));
        let medium = Medium::from_replies(replies);
        assert_eq!((medium.state.clone(), medium.free), (MediumState::Complete, Sectors(0)));
        assert_eq!((medium.used, medium.is_closed), (Sectors(5000), true));
        assert!(!medium.is_overwritable());
    }

    #[test]
    fn a_closed_session_on_an_appendable_disc_counts_as_closed() {
        let mut replies = bd_r(disc(DiscStatus::Incomplete, SessionState::Empty, 2));
        replies.capacity = Some(Sectors(5000));
        let medium = Medium::from_replies(replies);
        assert_eq!((medium.state, medium.is_closed), (MediumState::Appendable, true));
        let open = disc(DiscStatus::Incomplete, SessionState::Incomplete, 1);
        assert!(!Medium::from_replies(bd_r(open)).is_closed);
    }

    #[test]
    fn a_bd_re_is_blank_until_it_is_formatted_and_overwritable_from_then_on() {
        let formats = |is_formatted| FormatCapacities {
            current: Sectors(11_826_176),
            is_formatted,
            formats: vec![(0x30, Sectors(11_826_176)), (0x31, Sectors(12_219_392))],
        };
        let replies = |is_formatted| Replies {
            profile: Some(Profile::BD_RE),
            disc: Some(disc(DiscStatus::Finalised, SessionState::Complete, 1)),
            formats: Some(formats(is_formatted)),
            ..Replies::default()
        };
        let raw = Medium::from_replies(replies(false));
        assert_eq!((raw.state, raw.free), (MediumState::Blank, Sectors(12_219_392)));
        let used = Medium::from_replies(replies(true));
        assert!(used.is_overwritable());
        assert_eq!((used.free, used.with_spares), (Sectors(11_826_176), Some(Sectors(11_826_176))));
    }

    #[test]
    fn a_reader_that_says_nothing_holds_something_complete() {
        let medium = Medium::from_replies(Replies::default());
        assert_eq!(medium.state, MediumState::Complete);
        assert_eq!(medium.writable_whole(), Sectors(0));
    }
}
