//! The catalog.

use crate::catalog::CatalogError;
use crate::model::disc_list::named;
use crate::model::{DiscNo, SetName};
use crate::port::notice::CatalogNotice;
use crate::ui::words::advice::advised;

pub(super) fn words(notice: &CatalogNotice) -> String {
    match notice {
        CatalogNotice::CatalogInUse { catalog, pid } => {
            let in_use = CatalogError::Locked { path: catalog.clone(), pid: *pid };
            format!("{in_use}; waiting for it to finish")
        }
        CatalogNotice::SetInUse { set, pid } => {
            format!("set {set} is in use by another coldcut{}; waiting for it to finish", by(*pid))
        }
        CatalogNotice::DiscInUse { set, disc: Some(disc), pid } => {
            format!(
                "disc {disc} of {set} is being burned or verified by another coldcut{}",
                by(*pid)
            )
        }
        CatalogNotice::DiscInUse { set, disc: None, pid } => format!(
            "discs of {set} are being burned or verified by another coldcut{}; waiting for it to \
             finish",
            by(*pid)
        ),
        CatalogNotice::NoCatalogCopy { why } => {
            advised(format!("no copy of the catalog could be kept: {why}"), why)
        }
        CatalogNotice::ResultNotRecorded { why } => {
            advised(format!("the result was not recorded: {why}"), why)
        }
        CatalogNotice::CatalogNotUsed { why } => {
            advised(format!("{why}; the discs' own listings are used"), why)
        }
        CatalogNotice::CatalogNotCompared { why } => {
            advised(format!("{why}; checking the discs against their own lists"), why)
        }
        CatalogNotice::CatalogOfOtherDiscs => {
            "the catalog knows other discs with these numbers; the discs' own listings are used"
                .to_owned()
        }
        CatalogNotice::CatalogOlder { set, discs } => older(set, discs),
        CatalogNotice::CatalogReplaced { why } => format!("{why}: replacing it"),
        CatalogNotice::LostInFormerCatalog { set, discs } => format!(
            "set {set}: the previous catalog records {} as lost; this stays until `coldcut verify \
             FROM` finds no damage",
            named(discs)
        ),
    }
}

fn by(pid: Option<u32>) -> String {
    pid.map_or(String::new(), |pid| format!(" (process {pid})"))
}

fn older(set: &SetName, discs: &[DiscNo]) -> String {
    let (verb, them, own) = match discs.len() {
        1 => ("is", "it", "its"),
        _ => ("are", "them", "their"),
    };
    format!(
        "{} of {set} {verb} newer than the catalog, which cannot tell whether you made {them}; \
         {own} own listings are used",
        named(discs)
    )
}

#[cfg(test)]
pub(super) fn examples() -> super::examples::Examples {
    let (set, disc, why) = super::examples::set_disc_why();
    examples!(CatalogNotice {
        CatalogInUse { catalog: "/c".into(), pid: Some(7) } =>
            "the catalog \"/c\" is in use by another coldcut (process 7); waiting for it to finish",
        CatalogInUse { catalog: "/c".into(), pid: None } =>
            "the catalog \"/c\" is in use by another coldcut; waiting for it to finish",
        SetInUse { set: set.clone(), pid: Some(7) } =>
            "set films is in use by another coldcut (process 7); waiting for it to finish",
        DiscInUse { set: set.clone(), disc: Some(disc), pid: None } =>
            "disc 3 of films is being burned or verified by another coldcut",
        DiscInUse { set: set.clone(), disc: None, pid: Some(7) } =>
            "discs of films are being burned or verified by another coldcut (process 7); waiting \
             for it to finish",
        NoCatalogCopy { why: why.clone() } =>
            "no copy of the catalog could be kept: it is broken",
        ResultNotRecorded { why: why.clone() } => "the result was not recorded: it is broken",
        CatalogNotUsed { why: why.clone() } =>
            "it is broken; the discs' own listings are used",
        CatalogNotCompared { why: why.clone() } =>
            "it is broken; checking the discs against their own lists",
        CatalogOfOtherDiscs =>
            "the catalog knows other discs with these numbers; the discs' own listings are used",
        CatalogOlder { set: set.clone(), discs: vec![disc] } =>
            "disc 3 of films is newer than the catalog, which cannot tell whether you made it; \
             its own listings are used",
        CatalogOlder { set: set.clone(), discs: vec![disc, DiscNo(4)] } =>
            "discs 3-4 of films are newer than the catalog, which cannot tell whether you made \
             them; their own listings are used",
        CatalogReplaced { why } => "it is broken: replacing it",
        LostInFormerCatalog { set, discs: vec![disc] } =>
            "set films: the previous catalog records disc 3 as lost; this stays until `coldcut \
             verify FROM` finds no damage",
    })
}
