//! Whether a new set is meant. A set that was made by a slip of the finger is packed and burned as a
//! whole, and what it made of discs cannot be undone.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::catalog::KnownSet;
use crate::drive::is_marked;
use crate::flow::FlowError;
use crate::flow::backup::guards::shelves::known_shelves;
use crate::flow::backup::guards::{in_words, open, sets_over};
use crate::flow::base::guard_error::NewSetError;
use crate::model::SetName;
use crate::model::path::shown;
use crate::port::operator::Operator;
use crate::port::question::{Answer, NewSetDoubt, Question};

/// What is asked of the set and the source of a backup.
pub struct NewSetGuard<'a> {
    pub catalog: &'a Path,
    pub name: &'a SetName,
    /// Absolute, without symbolic links.
    pub source: &'a Path,
    /// The name was typed, and does not come from the directory's.
    pub is_typed: bool,
    /// The set is a table of the configuration: somebody wrote down that there is one.
    pub is_configured: bool,
    /// `--new-set`.
    pub is_meant: bool,
    /// The set's source is another directory from now on.
    pub moves: bool,
}

impl NewSetGuard<'_> {
    /// Asks a person where there is doubt.
    pub fn check(&self, operator: &dyn Operator) -> Result<(), FlowError> {
        let catalog = open(self.catalog)?;
        let sets = catalog.as_ref().map(|catalog| catalog.sets()).transpose()?.unwrap_or_default();
        let is_new = !sets.iter().any(|set| set.facts.name == *self.name);
        if self.is_meant || !(is_new || self.moves) {
            return Ok(());
        }
        let shelves = match &catalog {
            Some(catalog) => known_shelves(catalog, &sets)?,
            None => Vec::new(),
        };
        if is_marked(self.source) || shelves.iter().any(|shelf| shelf.is_at(self.source)) {
            return Err(NewSetError::IsShelf(self.source.to_owned()).into());
        }
        match self.doubt(&sets).filter(|_| is_new && !self.is_configured) {
            Some(doubt) => self.ask(doubt, operator),
            None => Ok(()),
        }
    }

    fn doubt(&self, sets: &[KnownSet]) -> Option<NewSetDoubt> {
        let over = sets_over(sets, self.source);
        if !over.is_empty() {
            return Some(NewSetDoubt::SameSource { sets: over, dir: self.source.to_owned() });
        }
        let similar = sets.iter().map(|set| &set.facts.name).find(|name| is_slip(self.name, name));
        let similar = similar.filter(|_| self.is_typed)?;
        Some(NewSetDoubt::SimilarName { similar: similar.clone() })
    }

    fn ask(&self, doubt: NewSetDoubt, operator: &dyn Operator) -> Result<(), FlowError> {
        let set = self.name.clone();
        match operator.ask(Question::CreateSet { set: set.clone(), doubt: doubt.clone() }) {
            Answer::Yes => Ok(()),
            Answer::NobodyThere => {
                let doubt = doubt_words(&set, &doubt);
                Err(NewSetError::NobodyThere { name: set, doubt }.into())
            }
            _ => Err(NewSetError::NotAgreed(set).into()),
        }
    }
}

/// Why a new set of this name may be a mistake: the error says it, and so does the question.
pub fn doubt_words(set: &SetName, doubt: &NewSetDoubt) -> String {
    match doubt {
        NewSetDoubt::SameSource { sets, dir } => {
            let source = shown(dir.as_os_str().as_bytes());
            format!("{source} is already the source of set {}", in_words(sets))
        }
        NewSetDoubt::SimilarName { similar } => {
            format!("there is no set {set}, but there is a set {similar}")
        }
    }
}

/// Names under so many letters are alike by chance.
const SHORTEST: usize = 4;

/// Whether one name becomes the other by one letter that is put in, left out or changed, or by two
/// neighbours that change places. `photos1` and `photos2` are meant to be alike.
fn is_slip(one: &SetName, other: &SetName) -> bool {
    let (one, other) = (one.as_str().as_bytes(), other.as_str().as_bytes());
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    if short.len() < SHORTEST || short == long || without_digits(short) == without_digits(long) {
        return false;
    }
    let same_start = short.iter().zip(long).take_while(|(a, b)| a == b).count();
    let (short, long) = (&short[same_start..], &long[same_start..]);
    match long.len() - short.len() {
        0 => {
            let swapped = short.len() > 1 && short[0] == long[1] && short[1] == long[0];
            short[1..] == long[1..] || swapped && short[2..] == long[2..]
        }
        1 => *short == long[1..],
        _ => false,
    }
}

fn without_digits(name: &[u8]) -> Vec<u8> {
    name.iter().copied().filter(|byte| !byte.is_ascii_digit()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_letter_makes_a_slip() {
        let slip = |a: &str, b: &str| {
            let [a, b] = [a, b].map(|name| SetName::new(name).unwrap());
            assert_eq!(is_slip(&a, &b), is_slip(&b, &a), "{a} {b}");
            is_slip(&a, &b)
        };
        for (a, b) in [
            ("photo", "photos"),
            ("hotos", "photos"),
            ("phtos", "photos"),
            ("phootos", "photos"),
            ("phptos", "photos"),
            ("Photos", "photos"),
            ("photoz", "photos"),
            ("pohtos", "photos"),
            ("hpotos", "photos"),
            ("photso", "photos"),
            ("my-data", "my_data"),
            ("mails", "mail"),
            ("data2o24", "data2024"),
            ("ph0tos", "photos"),
        ] {
            assert!(slip(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("photos", "photos"),
            ("photos1", "photos2"),
            ("photos", "photos2"),
            ("photos12", "photos21"),
            ("2024-mail", "2025-mail"),
            ("1999mail", "2025mail"),
            ("abc", "abd"),
            ("abc", "abcd"),
            ("photos", "papers"),
            ("photos", "photo-x"),
            ("photos", "phtoso"),
            ("abcd", "cdab"),
            ("mail", "mailer"),
        ] {
            assert!(!slip(a, b), "{a} {b}");
        }
    }
}
