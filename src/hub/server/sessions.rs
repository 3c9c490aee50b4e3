//! Browsers that were let in: single-use links, and the sessions that come of them. In memory only: a
//! service that was restarted knows nobody.

use std::collections::VecDeque;

use zeroize::Zeroizing;

use crate::port::clock::Moment;

/// Seconds that a link can be used.
const LINK_AGE: i64 = 60;
/// Seconds of a session.
pub const SESSION_AGE: i64 = 7 * 24 * 60 * 60;
/// Links and sessions at once; the oldest goes.
const MOST: usize = 64;

/// 32 random bytes, in hexadecimal.
type Token = Zeroizing<String>;

#[derive(Default)]
pub struct Sessions {
    links: VecDeque<(Token, Moment)>,
    sessions: VecDeque<Session>,
}

/// A browser that was let in.
#[derive(Clone)]
pub struct Session {
    cookie: Token,
    /// Must be in every form that it sends.
    csrf: Token,
    since: Moment,
}

impl Session {
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    pub fn csrf(&self) -> &str {
        &self.csrf
    }

    pub fn has_csrf(&self, field: &str) -> bool {
        is_same(&self.csrf, field)
    }
}

impl Sessions {
    /// A link for one browser. `None`: the system has no random numbers.
    pub fn new_link(&mut self, now: Moment) -> Option<Token> {
        let link = token()?;
        push(&mut self.links, (link.clone(), now));
        Some(link)
    }

    /// Uses a link up.
    pub fn open(&mut self, link: &str, now: Moment) -> Option<Session> {
        self.links.retain(|(_, since)| is_young(*since, LINK_AGE, now));
        let at = self.links.iter().position(|(own, _)| is_same(own, link))?;
        self.links.remove(at);
        let session = Session { cookie: token()?, csrf: token()?, since: now };
        push(&mut self.sessions, session.clone());
        Some(session)
    }

    pub fn find(&self, cookie: &str, now: Moment) -> Option<Session> {
        let own = |session: &&Session| {
            is_young(session.since, SESSION_AGE, now) && is_same(&session.cookie, cookie)
        };
        self.sessions.iter().find(own).cloned()
    }
}

fn push<T>(list: &mut VecDeque<T>, one: T) {
    list.push_back(one);
    while list.len() > MOST {
        list.pop_front();
    }
}

fn is_young(since: Moment, age: i64, now: Moment) -> bool {
    // A clock that was set back makes nothing younger.
    (0..age).contains(&(now.0 - since.0))
}

fn token() -> Option<Token> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(&mut bytes[..]).ok()?;
    Some(Zeroizing::new(bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
}

/// Takes as long for a wrong text as for the right one.
fn is_same(own: &str, other: &str) -> bool {
    let pairs = own.bytes().zip(other.bytes());
    let differing = pairs.fold(0, |all, (own, other)| all | (own ^ other));
    own.len() == other.len() && std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_used_once_and_within_a_minute() {
        let mut sessions = Sessions::default();
        let link = sessions.new_link(Moment(0)).unwrap();
        assert_eq!(link.len(), 64);
        assert!(sessions.open("", Moment(1)).is_none());
        assert!(sessions.open(&link[..63], Moment(1)).is_none());
        let session = sessions.open(&link, Moment(59)).unwrap();
        assert!(sessions.open(&link, Moment(59)).is_none(), "twice");
        let found = sessions.find(session.cookie(), Moment(60)).unwrap();
        assert!(found.has_csrf(session.csrf()) && !found.has_csrf(session.cookie()));
        let late = sessions.new_link(Moment(100)).unwrap();
        assert!(sessions.open(&late, Moment(160)).is_none(), "late");
    }

    #[test]
    fn a_session_ends_and_there_are_not_many() {
        let mut sessions = Sessions::default();
        let open = |sessions: &mut Sessions| {
            let link = sessions.new_link(Moment(0)).unwrap();
            sessions.open(&link, Moment(0)).unwrap()
        };
        let first = open(&mut sessions);
        assert!(sessions.find(first.cookie(), Moment(SESSION_AGE - 1)).is_some());
        assert!(sessions.find(first.cookie(), Moment(SESSION_AGE)).is_none());
        assert!(sessions.find(first.cookie(), Moment(-1)).is_none());
        for _ in 0..MOST {
            open(&mut sessions);
        }
        assert!(sessions.find(first.cookie(), Moment(1)).is_none());
    }
}
