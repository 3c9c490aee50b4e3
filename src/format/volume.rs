//! Names and dates of the volume that a disc is (format 1).

use crate::model::{DiscNo, DiscUuid, SetName, SetUuid};

/// ECMA-119 8.4.8: the volume identifier has 32 characters.
const VOLUME_ID_MAX: usize = 32;

/// The volume id: `0007_HOLIDAYS`. A hint for people; identity is DISC.txt's UUID.
pub fn volume_id(disc: DiscNo, set: &SetName) -> String {
    let d_character =
        |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let name = set.as_str().chars().map(d_character);
    format!("{:04}_", disc.0).chars().chain(name).take(VOLUME_ID_MAX).collect()
}

/// The volume set id: the set's UUID in the characters that it may have (ECMA-119 7.4.1).
pub fn volume_set_id(set: SetUuid) -> String {
    set.to_string().to_ascii_uppercase().replace('-', "_")
}

/// What application ids begin with; those of discs of format 1 do not.
pub const APPLICATION: &str = "COLDCUT DISC ";

/// The application id, by which a disc is known that lost its texts.
pub fn application_id(disc: DiscUuid) -> String {
    format!("{APPLICATION}{}", disc.to_string().to_ascii_uppercase())
}

/// A clock that shows less was never set, and xorriso takes 1970-01-01 for "now".
const EARLIEST: &str = "1980010100000000";
/// Directory records have one byte for the years since 1900 (ECMA-119 9.1.5).
const LATEST: &str = "2155123123595900";

/// The volume's date `YYYYMMDDhhmmsscc` (ECMA-119 8.4.26.1): that of `DISC.txt`, when the disc was
/// closed, or the nearest that can be written. Two burns of one disc are alike byte for byte.
pub fn volume_date(closed: &str) -> String {
    let digits = closed.chars().filter(char::is_ascii_digit);
    let date: String = digits.chain("00".chars()).collect();
    // Years before 0 have a sign.
    if closed.starts_with('-') || date.as_str() < EARLIEST {
        EARLIEST.to_owned()
    } else if date.as_str() > LATEST {
        LATEST.to_owned()
    } else {
        date
    }
}

/// The date of a disc of format 1, which was made from its UUID.
pub fn volume_date_by_uuid(disc: DiscUuid) -> String {
    let number = disc.0.as_u128();
    let digit = |place: u128, base: u128| number / place % base;
    format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}{:02}",
        1980 + digit(1, 100),
        1 + digit(100, 12),
        1 + digit(1_200, 28),
        digit(33_600, 24),
        digit(806_400, 60),
        digit(48_384_000, 60),
        digit(2_903_040_000, 100),
    )
}

/// The name of a disc's image on a shelf: `holidays-0007.iso`.
pub fn image_name(set: &SetName, disc: DiscNo) -> String {
    format!("{set}-{:04}.iso", disc.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn set(name: &str) -> SetName {
        SetName::new(name).unwrap()
    }

    #[test]
    fn the_volume_id_has_the_number_first_and_fits() {
        assert_eq!(volume_id(DiscNo(7), &set("holidays-26_x")), "0007_HOLIDAYS_26_X");
        assert_eq!(volume_id(DiscNo(12345), &set("a")), "12345_A");
        let longest = volume_id(DiscNo(u32::MAX), &set("abcdefghijklmnopqrstuvwxyz"));
        assert_eq!(longest, "4294967295_ABCDEFGHIJKLMNOPQRSTU");
    }

    #[test]
    fn uuids_stand_in_the_characters_of_the_standard() {
        let uuid = Uuid::from_u128(0xfeed << 112);
        let set = volume_set_id(SetUuid(uuid));
        assert_eq!(set, "FEED0000_0000_0000_0000_000000000000");
        let disc = application_id(DiscUuid(uuid));
        assert_eq!(disc, "COLDCUT DISC FEED0000-0000-0000-0000-000000000000");
    }

    #[test]
    fn the_date_is_when_the_disc_was_closed() {
        assert_eq!(volume_date("2026-01-02T03:04:05Z"), "2026010203040500");
        for early in ["1969-12-01T12:00:00Z", "1979-12-31T23:59:59Z", "-0001-12-31T23:59:59Z"] {
            assert_eq!(volume_date(early), EARLIEST);
        }
        for late in ["2156-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
            assert_eq!(volume_date(late), LATEST);
        }
    }

    #[test]
    fn the_date_of_format_1_is_a_date_whatever_the_uuid() {
        let date = |number| volume_date_by_uuid(DiscUuid(Uuid::from_u128(number)));
        assert_eq!(date(0), "1980010100000000");
        assert_eq!(date(99 + 100 * 11 + 1_200 * 27), "2079122800000000");
        assert_eq!(date(33_600 * 23 + 806_400 * 59 + 48_384_000 * 58), "1980010123595800");
        assert_eq!(date(2_903_040_000 * 99), "1980010100000099");
        assert_eq!(date(u128::MAX).len(), 16);
    }

    #[test]
    fn an_image_is_called_after_set_and_number() {
        assert_eq!(image_name(&set("Photos"), DiscNo(7)), "Photos-0007.iso");
    }
}
