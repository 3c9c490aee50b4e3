//! How the engine asks the person. "Nobody there" is a legal answer to everything.

use zeroize::Zeroizing;

/// A secret as typed or read: wiped from memory when dropped, never shown.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub fn new(bytes: Vec<u8>) -> Secret {
        Secret(Zeroizing::new(bytes))
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Yes,
    No,
    NobodyThere,
}

/// The person, or the lack of one.
pub trait Operator: Send + Sync {
    /// A question that `--yes` answers with yes.
    fn confirm(&self, question: &str) -> Answer;

    /// Something only hands can do ("insert disc 3"): `Yes` once done, `No` to give up.
    /// `--yes` does not answer this.
    fn hands(&self, request: &str) -> Answer;

    /// Asks for a passphrase without showing it; `None` if nobody is there.
    /// With `twice`, until two inputs agree.
    fn passphrase(&self, prompt: &str, twice: bool) -> Option<Secret>;
}

/// No terminal, no person.
pub struct Nobody;

impl Operator for Nobody {
    fn confirm(&self, _: &str) -> Answer {
        Answer::NobodyThere
    }
    fn hands(&self, _: &str) -> Answer {
        Answer::NobodyThere
    }
    fn passphrase(&self, _: &str, _: bool) -> Option<Secret> {
        None
    }
}
