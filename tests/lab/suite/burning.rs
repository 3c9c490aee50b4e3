//! Backups to discs that hands insert, and back.

use crate::bench::Lab;

/// 4,096 sectors: 8 MiB.
const SECTORS: u32 = 4096;

#[test]
fn three_discs_are_burned_verified_and_restored_by_inserting_them() {
    let lab = Lab::new();
    lab.blanks("bd-r", SECTORS, &["a", "b", "c"]);
    lab.source(20, 1_000_000);
    let mut run = lab.backup(&lab.one.clone(), &[]);
    for (number, disc) in [(1, "a"), (2, "b"), (3, "c")] {
        run.says(&format!("Insert a blank disc for disc {number} of source"));
        lab.insert("one", disc);
        run.says(&format!("verifying disc {number}"));
        run.says(&format!("disc {number} is verified and handed out: write 000{number}_SOURCE"));
    }
    run.ends().code(0);
    lab.states(&["verified"; 3]);
    for disc in ["a", "b", "c"] {
        assert!(lab.ctl(&format!("disc state {disc}")).starts_with("finalised sessions=1"));
    }
    let node = lab.one.to_str().unwrap();
    let mut run = lab.start(["restore", node, "back", "--wait", "120s"]);
    run.says("Insert");
    lab.insert("one", "c");
    run.says("Insert disc 1 of source");
    lab.insert("one", "b");
    run.says("holds disc 2 of source, not disc 1");
    run.says("Insert disc 1 of source");
    lab.insert("one", "a");
    run.says("Insert disc 2 of source");
    lab.insert("one", "b");
    run.says("Insert disc 3 of source");
    lab.insert("one", "c");
    run.ends().code(0);
    lab.same_trees("source", "back");
}
