//! What can be wrong with the texts on a disc.

use crate::model::path::shown;

/// Why a text of a disc cannot be taken for what its name says.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    #[error(
        "made by a newer coldcut (format {found}; this one reads formats 1 and 2): use a newer one"
    )]
    Newer { found: String },
    #[error("DISC.txt has no usable line {key:?}: not a coldcut disc, or damaged")]
    DiscKey { key: &'static str },
    #[error("the first lines are not those of a coldcut {what}")]
    Header { what: &'static str },
    #[error("{found} fields instead of {expected}")]
    FieldCount { expected: usize, found: usize },
    #[error("the field {name:?} cannot be {value:?}")]
    Field { name: &'static str, value: String },
    #[error("longer than {max} bytes")]
    LineTooLong { max: usize },
    #[error("the last line is cut off")]
    CutOff,
    #[error("it does not come after the row before it")]
    OutOfOrder,
    #[error("{what} has more than {most} rows, too many for one of {size} bytes")]
    TooManyRows { what: &'static str, most: u64, size: u64 },
    #[error("{what} expands to more than {most} bytes, too much for one of {size} bytes")]
    TooMuchText { what: &'static str, most: u64, size: u64 },
    #[error("line {number} of {what} is damaged")]
    Line {
        what: &'static str,
        number: u64,
        #[source]
        source: Box<FormatError>,
    },
    #[error("{what} cannot be read after line {number}")]
    Read {
        what: &'static str,
        number: u64,
        #[source]
        source: std::io::Error,
    },
}

impl FormatError {
    /// A stretch of the text is lost, and what is after it may be sound.
    pub(super) fn is_a_damaged_stretch(&self) -> bool {
        match self {
            FormatError::Read { source, .. } => source.kind() == std::io::ErrorKind::InvalidData,
            _ => false,
        }
    }

    /// The rest was not read, whatever it is.
    pub fn is_of_limit(&self) -> bool {
        matches!(self, FormatError::TooManyRows { .. } | FormatError::TooMuchText { .. })
    }

    /// A field that is not what it should be; shown in full only where it is short.
    pub(super) fn field(name: &'static str, value: &[u8]) -> FormatError {
        const SHOWN: usize = 80;
        let mut text = shown(&value[..value.len().min(SHOWN)]);
        if value.len() > SHOWN {
            text.push('…');
        }
        FormatError::Field { name, value: text }
    }
}
