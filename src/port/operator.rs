//! How the engine asks the person. "Nobody there" is a legal answer to everything.

use zeroize::Zeroizing;

use super::wanted::WantedMedium;

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

/// A medium is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InsertRequest {
    /// `/dev/sr0 (HL-DT-ST BD-RE WH16NS60)`.
    pub drive: String,
    pub wanted: WantedMedium,
}

/// The person, or the lack of one. Asked from several threads; nobody gets two questions at once.
pub trait Operator: Send + Sync {
    /// A question that `--yes` answers with yes.
    fn confirm(&self, question: &str) -> Answer;

    /// A question that only a person at a terminal answers: `--yes` does not.
    fn confirm_in_person(&self, question: &str) -> Answer;

    /// Which of some numbers is meant; `None` if nobody says. `--yes` does not answer this.
    fn choose(&self, _question: &str, _numbers: &[u32]) -> Option<u32> {
        None
    }

    /// Something only hands can do ("insert disc 3"): `Yes` once done, `No` to give up.
    /// `--yes` does not answer this.
    fn hands(&self, request: &str) -> Answer;

    /// Says what only hands can do and waits for no answer: the drive sees it being done. Said even
    /// where only troubles are.
    fn summon(&self, call: &InsertRequest);

    /// Passes on a line of a program that the person named and that cannot speak to them itself.
    fn relay(&self, _line: &[u8]) {}

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
    fn confirm_in_person(&self, _: &str) -> Answer {
        Answer::NobodyThere
    }
    fn hands(&self, _: &str) -> Answer {
        Answer::NobodyThere
    }
    fn summon(&self, _: &InsertRequest) {}
    fn passphrase(&self, _: &str, _: bool) -> Option<Secret> {
        None
    }
}
