//! The emulated drive is worth trusting: programs that know drives find it to be one, and it
//! refuses what a drive refuses.

use crate::bench::{Lab, noise, tool, until};
use std::fs;

const BLU_RAY: u32 = 4096;

fn udev_says(node: &str, property: &str) -> bool {
    tool(&["udevadm", "info", "--query=property", node]).has(property)
}

#[test]
fn xorriso_burns_a_blank_bd_r_and_finds_it_closed() {
    let lab = Lab::new();
    lab.blanks("bd-r", BLU_RAY, &["x"]);
    lab.insert("one", "x");
    lab.udev_settles();
    let node = lab.one.to_str().unwrap();
    assert!(
        udev_says(node, "ID_CDROM_MEDIA_BD_R=1") && udev_says(node, "ID_CDROM_MEDIA_STATE=blank")
    );
    let address = format!("mmc:{node}");
    let toc = || tool(&["xorriso", "-no_rc", "-outdev", &address, "-toc"]);
    toc().code(0).said("BD-R sequential recording").said("is blank").said("4096 writable");
    let source = lab.source(2, 700_000);
    let burn = || {
        let source = source.to_str().unwrap();
        tool(&[
            "xorriso", "-no_rc", "-outdev", &address, "-volid", "X", "-map", source, "/", "-close",
            "on",
        ])
    };
    burn().code(0).said("completed successfully");
    assert!(lab.ctl("disc state x").starts_with("finalised"));
    toc().said("is written , is closed").said("'").never_said("appendable");
    burn().said("not blank");
    tool(&["dvd+rw-mediainfo", node]).said("BD-R SRM").said("complete").said("LABMED/BR1");
    tool(&["eject", node]).code(0);
    tool(&["eject", "-t", node]).code(0);
    lab.udev_settles();
    assert!(udev_says(node, "ID_FS_LABEL=X") && udev_says(node, "ID_CDROM_MEDIA_STATE=complete"));
    let back = lab.path("mnt");
    fs::create_dir(&back).unwrap();
    tool(&["mount", "-o", "ro", node, back.to_str().unwrap()]).code(0);
    let same = lab.tree("mnt") == lab.tree("source");
    tool(&["umount", back.to_str().unwrap()]).code(0);
    assert!(same);
}

#[test]
fn growisofs_burns_an_image_and_leaves_the_disc_appendable() {
    let lab = Lab::new();
    lab.blanks("bd-r", BLU_RAY, &["x"]);
    lab.insert("one", "x");
    lab.udev_settles();
    let node = lab.one.to_str().unwrap();
    fs::write(lab.path("image"), noise(1, 3_000_320)).unwrap();
    let target = format!("{node}={}", lab.path("image").display());
    let force = "-use-the-force-luke=tty,notray,spare:none";
    tool(&["growisofs", force, "-Z", &target]).code(0).said("closing session");
    assert!(lab.ctl("disc state x").starts_with("closed sessions=1"));
    tool(&["dvd+rw-mediainfo", node]).said("appendable");
}

#[test]
fn a_rewritable_disc_must_be_formatted_and_a_dvd_is_one() {
    let lab = Lab::new();
    lab.blanks("bd-re", BLU_RAY, &["re"]);
    lab.blanks("dvd+r", BLU_RAY, &["plus"]);
    let source = lab.source(1, 500_000);
    let source = source.to_str().unwrap();
    let address = format!("mmc:{}", lab.one.display());
    for (disc, kind) in [("re", "BD-RE"), ("plus", "DVD+R")] {
        lab.insert("one", disc);
        lab.udev_settles();
        tool(&["xorriso", "-no_rc", "-outdev", &address, "-toc"]).said(kind);
        let format = if disc == "re" { "as_needed" } else { "none" };
        let words = ["xorriso", "-no_rc", "-outdev", &address, "-format", format];
        let rest = ["-padding", "0", "-map", source, "/", "-close", "on"];
        let words: Vec<&str> = words.iter().chain(&rest).copied().collect();
        let words = if disc == "re" { words } else { [&words[..4], &words[6..]].concat() };
        tool(&words).code(0).said("completed successfully");
    }
    assert!(lab.ctl("disc state plus").starts_with("finalised"));
}

#[test]
fn errors_reach_the_programs_with_their_numbers() {
    let lab = Lab::new();
    lab.blanks("bd-r", BLU_RAY, &["bad"]);
    lab.ctl("disc fault bad write-error 700");
    lab.insert("one", "bad");
    lab.udev_settles();
    let address = format!("mmc:{}", lab.one.display());
    let source = lab.source(1, 3_000_000);
    let burn = ["xorriso", "-no_rc", "-outdev", &address, "-map", source.to_str().unwrap(), "/"];
    let done = tool(&burn).said("3 0C 00");
    assert_ne!(done.code, Some(0));
}

/// udev locks the tray when a disc is in it, hears of the button, and opens.
#[test]
fn the_button_asks_udev_to_open_a_locked_tray() {
    let lab = Lab::new();
    lab.blanks("bd-r", BLU_RAY, &["x"]);
    lab.insert("one", "x");
    until("the lock", || lab.ctl("state one").contains("locked"));
    lab.ctl("button one");
    assert!(lab.ctl("state one").starts_with("closed"));
    until("the open tray", || lab.ctl("state one").starts_with("open"));
}
