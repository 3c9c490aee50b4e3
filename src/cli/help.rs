//! What `--help` says beyond a list of options: verbs in groups, examples, and which options of all
//! commands matter to which verb.

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, Command};

/// A heading of `coldcut --help`, and the verbs below it.
type Group = (&'static str, &'static [Page]);

/// What the help of one verb says.
pub struct Page {
    pub verb: &'static str,
    keys: &'static [&'static str],
    /// Accepted, though they make no difference: whoever has the set's keys at hand passes them to
    /// every command that handles discs.
    also: &'static [&'static str],
    /// Whether it reads discs: only then do limits on what a disc holds matter.
    reads_discs: bool,
    /// Whether it is about the service and what runs do, and about no set in particular.
    is_about_service: bool,
    pub examples: &'static str,
}

/// How a known set is opened.
const OPEN: &[&str] = &["passphrase-file", "passphrase-command", "secret-key", "accept-plain"];
/// Packing more of a set that may be encrypted.
const PACK: &[&str] = &[
    "passphrase-file",
    "passphrase-command",
    "odd-passphrase",
    "secret-key",
    "recipient",
    "new-recipients",
    "hidden-recipients",
    "accept-plain",
];
/// Beginning a set: whether and how it is encrypted.
const BEGIN: &[&str] = &[
    "encrypt",
    "no-encrypt",
    "passphrase-file",
    "passphrase-command",
    "odd-passphrase",
    "secret-key",
    "recipient",
    "new-recipients",
    "hidden-recipients",
];
const REBUILD: &[&str] =
    &["passphrase-file", "passphrase-command", "secret-key", "recipient", "accept-plain"];
/// Discs are read, and nothing on them is decrypted.
const READ: &[&str] = &["accept-plain"];

/// A verb that neither takes keys nor reads discs.
const PLAIN: Page = Page {
    verb: "",
    keys: &[],
    also: &[],
    reads_discs: false,
    is_about_service: false,
    examples: "",
};
/// A verb of the resident service.
const SERVICE: Page = Page { is_about_service: true, ..PLAIN };
/// What matters only to who works with a set.
const OF_SETS: [&str; 4] = ["set", "staging", "yes", "wait"];

const LOOK: Group = ("Look", &[STATUS, SNAPSHOTS, DISCS, LS, FIND, DRIVES]);
const GROUPS: [Group; 6] = [
    ("Back up", &[BACKUP, BURN, FLUSH, WATCH]),
    ("Restore", &[RESTORE, RESCUE]),
    LOOK,
    ("Look after discs", &[VERIFY, CHECK, DRILL, COPY, MIGRATE, LOCATE, LOST, RETIRE]),
    ("Catalog", &[SET, CATALOG, KEYSHEET]),
    ("Service", &[SERVE, OPEN_PAGE, FOLLOW, ANSWER]),
];

const BACKUP: Page = Page {
    verb: "backup",
    keys: BEGIN,
    examples: "\
coldcut backup ~/photos /dev/sr0
coldcut backup ~/photos /srv/shelf --disc-size bd50 --encrypt
coldcut backup ~/photos /dev/sr0 /dev/sr1 --parity 10 --copies 2 --dry-run",
    ..PLAIN
};
const BURN: Page = Page {
    verb: "burn",
    also: OPEN,
    examples: "\
coldcut burn /dev/sr0
coldcut burn 3-5,7 /dev/sr0 --speed 4",
    ..PLAIN
};
const FLUSH: Page = Page {
    verb: "flush",
    keys: PACK,
    examples: "\
coldcut flush
coldcut flush --set photos",
    ..PLAIN
};
const WATCH: Page = Page {
    verb: "watch",
    keys: READ,
    also: OPEN,
    reads_discs: true,
    examples: "\
coldcut watch /dev/sr0
coldcut watch /dev/sr0 /dev/sr1 --until-done",
    ..PLAIN
};
const RESTORE: Page = Page {
    verb: "restore",
    keys: OPEN,
    reads_discs: true,
    examples: "\
coldcut restore /dev/sr0 ~/restored
coldcut restore /srv/shelf ~/restored --path '2019/**' --snapshot 3
coldcut restore /dev/sr0 /dev/sr1 ~/restored --dry-run",
    ..PLAIN
};
const RESCUE: Page = Page {
    verb: "rescue",
    keys: READ,
    also: OPEN,
    reads_discs: true,
    examples: "\
coldcut rescue /dev/sr0 --to photos-0003.iso
coldcut rescue /dev/sr0 copy.iso --to photos-0003.iso",
    ..PLAIN
};
const STATUS: Page = Page {
    verb: "status",
    examples: "\
coldcut status
coldcut status 2019 'letters/*.odt'
coldcut status --max-age 30d --max-check-age 1y",
    ..PLAIN
};
const SNAPSHOTS: Page = Page {
    verb: "snapshots",
    examples: "\
coldcut snapshots
coldcut snapshots --set photos --json",
    ..PLAIN
};
const DISCS: Page = Page {
    verb: "discs",
    examples: "\
coldcut discs
coldcut discs --set photos --json",
    ..PLAIN
};
const LS: Page = Page {
    verb: "ls",
    examples: "\
coldcut ls
coldcut ls 2019/summer --snapshot 3",
    ..PLAIN
};
const FIND: Page = Page {
    verb: "find",
    examples: "\
coldcut find '*.CR2'
coldcut find '2019/**/IMG_9123.*' --snapshot 3",
    ..PLAIN
};
const DRIVES: Page = Page {
    verb: "drives",
    examples: "\
coldcut drives
coldcut drives --json",
    ..PLAIN
};
const VERIFY: Page = Page {
    verb: "verify",
    keys: OPEN,
    reads_discs: true,
    examples: "\
coldcut verify /dev/sr0
coldcut verify /srv/shelf --verify-signature me.asc",
    ..PLAIN
};
const CHECK: Page = Page {
    verb: "check",
    keys: READ,
    also: OPEN,
    reads_discs: true,
    examples: "\
coldcut check /dev/sr0
coldcut check /dev/sr0 --count 3
coldcut check --max-check-age 1y --dry-run",
    ..PLAIN
};
const DRILL: Page = Page {
    verb: "drill",
    keys: OPEN,
    reads_discs: true,
    examples: "\
coldcut drill
coldcut drill 1-3 /dev/sr0
coldcut drill /srv/shelf --all",
    ..PLAIN
};
const COPY: Page = Page {
    verb: "copy",
    keys: READ,
    also: OPEN,
    reads_discs: true,
    examples: "\
coldcut copy 3 /dev/sr0
coldcut copy 1-4,7 /dev/sr0 --from /srv/shelf",
    ..PLAIN
};
const MIGRATE: Page = Page {
    verb: "migrate",
    keys: PACK,
    reads_discs: true,
    examples: "\
coldcut migrate 1-20 --from /dev/sr0 --to /dev/sr1
coldcut migrate --all --to /srv/shelf --disc-size bd100",
    ..PLAIN
};
const LOCATE: Page = Page {
    verb: "locate",
    examples: "\
coldcut locate 1-4,7 'box 3'
coldcut locate 2 'the office' --copy 2",
    ..PLAIN
};
const LOST: Page = Page {
    verb: "lost",
    examples: "\
coldcut lost 3
coldcut lost 3 --copy 2",
    ..PLAIN
};
const RETIRE: Page = Page {
    verb: "retire",
    examples: "\
coldcut retire 1-20
coldcut retire 3 --copy 1",
    ..PLAIN
};
const SET: Page = Page {
    verb: "set",
    examples: "\
coldcut set list
coldcut set rename photos pictures
coldcut set forget trial",
    ..PLAIN
};
const CATALOG: Page = Page {
    verb: "catalog",
    keys: REBUILD,
    reads_discs: true,
    examples: "\
coldcut catalog rebuild /srv/shelf
coldcut catalog rebuild /dev/sr0 copies/photos-0002.iso
coldcut catalog restore-last",
    ..PLAIN
};
const KEYSHEET: Page = Page {
    verb: "keysheet",
    examples: "\
coldcut keysheet --set photos >photos.txt
coldcut keysheet --hint 'the name of the first cat'",
    ..PLAIN
};
const SERVE: Page = Page {
    verb: "serve",
    examples: "\
coldcut serve
coldcut serve --listen 127.0.0.1:7733",
    ..SERVICE
};
const OPEN_PAGE: Page = Page {
    verb: "open",
    examples: "\
coldcut open
coldcut open --json",
    ..SERVICE
};
const FOLLOW: Page = Page {
    verb: "follow",
    examples: "\
coldcut follow
coldcut follow --json",
    ..SERVICE
};
const ANSWER: Page = Page {
    verb: "answer",
    examples: "\
coldcut answer yes
coldcut answer 3f9a21c4-2 no",
    ..SERVICE
};

/// The page of a verb.
pub fn page(verb: &str) -> Option<&'static Page> {
    GROUPS.iter().flat_map(|(_, pages)| *pages).find(|page| page.verb == verb)
}

impl Page {
    /// Whether one of the options below `Encryption` may be typed for the verb.
    pub fn takes(&self, long: &str) -> bool {
        self.keys.contains(&long) || self.also.contains(&long)
    }
}

/// The options about encryption stand below this heading.
pub const ENCRYPTION: &str = "Encryption";

pub fn is_about_encryption(arg: &Arg) -> bool {
    arg.get_help_heading() == Some(ENCRYPTION)
}

/// The command line's definition with groups, examples, and without what does not matter.
pub fn arranged(command: Command) -> Command {
    let verbs: Vec<String> = command.get_subcommands().map(|c| c.get_name().to_owned()).collect();
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}{{all-args}}{{after-help}}",
        groups(&command)
    );
    let command = command.help_template(template).override_usage("coldcut [OPTIONS] <COMMAND>");
    let command = command.mut_args(|arg| match is_about_encryption(&arg) {
        true => arg.hide(true),
        false => arg,
    });
    verbs.iter().fold(command, |command, verb| {
        command.mut_subcommand(verb, |own| match page(verb) {
            Some(page) => page.arrange(own).hide(true),
            None => own,
        })
    })
}

impl Page {
    fn arrange(&self, command: Command) -> Command {
        let examples: String = self.examples.lines().map(|line| format!("\n  {line}")).collect();
        let command = command.mut_args(|arg| match arg.get_long().map(str::to_owned) {
            Some(long) if is_about_encryption(&arg) => {
                arg.hide(!self.keys.contains(&long.as_str()))
            }
            Some(long) if long == "no-limits" => arg.hide(!self.reads_discs),
            Some(long) if self.is_about_service && OF_SETS.contains(&long.as_str()) => {
                arg.hide(true)
            }
            _ => arg,
        });
        command.after_help(format!("Examples:{examples}"))
    }
}

/// clap suggests the verbs that look most like the typed one. Those that change nothing come first.
pub fn harmless_first(mut error: clap::Error) -> clap::Error {
    let is_harmless = |verb: &String| LOOK.1.iter().any(|page| page.verb == verb);
    if let Some(ContextValue::Strings(verbs)) = error.get(ContextKind::SuggestedSubcommand) {
        let (mut first, rest): (Vec<String>, Vec<String>) =
            verbs.iter().cloned().partition(is_harmless);
        first.extend(rest);
        error.insert(ContextKind::SuggestedSubcommand, ContextValue::Strings(first));
    }
    error
}

/// The verbs below their headings, as clap would list them.
fn groups(command: &Command) -> String {
    const WIDTH: usize = 10;
    let line = |page: &Page| {
        let about = command.find_subcommand(page.verb).and_then(Command::get_about);
        let about = about.map(ToString::to_string).unwrap_or_default();
        format!("  {:<WIDTH$} {about}\n", page.verb)
    };
    let group = |(heading, pages): &Group| {
        format!("{heading}:\n{}\n", pages.iter().map(line).collect::<String>())
    };
    GROUPS.iter().map(group).collect()
}
