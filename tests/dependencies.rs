//! What coldcut is built of is what deny.toml allows: licences, sources, and what must not be there,
//! or be there once. cargo-deny reads the same page and knows more; this runs everywhere.

#![allow(clippy::unwrap_used)] // a test that cannot go on should stop

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};

use serde::Deserialize;

#[derive(Deserialize)]
struct Page {
    licenses: Licenses,
    bans: Bans,
    sources: RegistrySources,
}

#[derive(Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
    exceptions: Vec<Exception>,
}

#[derive(Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Bans {
    deny: Vec<Ban>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Ban {
    #[serde(rename = "crate")]
    name: String,
    #[serde(default)]
    deny_multiple_versions: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct RegistrySources {
    allow_registry: Vec<String>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    /// None: one of ours.
    source: Option<String>,
}

impl Package {
    fn title(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

/// What cargo says of a workspace whose lock file is as its Cargo.toml wants it.
fn metadata(manifest: &str) -> Output {
    Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version=1", "--all-features"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(manifest))
        .output()
        .unwrap()
}

fn page() -> Page {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml");
    toml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// All that a build for Linux needs.
fn packages() -> Vec<Package> {
    let run = metadata("Cargo.toml");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let metadata: Metadata = serde_json::from_slice(&run.stdout).unwrap();
    assert!(metadata.packages.len() > 100, "cargo metadata is not understood");
    metadata.packages
}

/// What offends against the page.
fn offences(page: &Page, packages: &[Package]) -> Vec<String> {
    let mut found = Vec::new();
    let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
    for package in packages {
        *versions.entry(&package.name).or_default() += 1;
        let Some(source) = &package.source else { continue };
        if !page.sources.allow_registry.iter().any(|known| *source == format!("registry+{known}")) {
            found.push(format!("{}: comes from {source}", package.title()));
        }
        let exceptions = page.licenses.exceptions.iter().filter(|e| e.name == package.name);
        let more: BTreeSet<&str> = exceptions.flat_map(|e| &e.allow).map(String::as_str).collect();
        let bare = |licence: &str| licence.replace("-only", "").replace("-or-later", "");
        let allows = |licence: &str| {
            page.licenses.allow.contains(licence) || more.contains(bare(licence).as_str())
        };
        let licence = package.license.as_deref().unwrap_or("nothing");
        if !is_allowed(licence, &allows) {
            found.push(format!("{}: is under {licence}", package.title()));
        }
    }
    for ban in &page.bans.deny {
        let most = usize::from(ban.deny_multiple_versions);
        let is = versions.get(ban.name.as_str()).copied().unwrap_or(0);
        if is > most {
            found.push(format!("{}: is there {is} times, and may be {most}", ban.name));
        }
    }
    found
}

/// Whether a choice that an SPDX expression leaves is allowed. `/` is an old way to say OR.
fn is_allowed(expression: &str, allows: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    let allowed = any(&mut rest, allows);
    assert!(rest.is_empty(), "{expression}: not understood from {rest:?}");
    allowed
}

fn any(rest: &mut &[&str], allows: &dyn Fn(&str) -> bool) -> bool {
    let mut allowed = all(rest, allows);
    while take(rest, "OR") {
        allowed |= all(rest, allows);
    }
    allowed
}

fn all(rest: &mut &[&str], allows: &dyn Fn(&str) -> bool) -> bool {
    let mut allowed = one(rest, allows);
    while take(rest, "AND") {
        allowed &= one(rest, allows);
    }
    allowed
}

fn one(rest: &mut &[&str], allows: &dyn Fn(&str) -> bool) -> bool {
    if take(rest, "(") {
        let allowed = any(rest, allows);
        assert!(take(rest, ")"));
        return allowed;
    }
    let (name, behind) = rest.split_first().unwrap();
    *rest = behind;
    if take(rest, "WITH") {
        let (exception, behind) = rest.split_first().unwrap();
        *rest = behind;
        return allows(&format!("{name} WITH {exception}"));
    }
    allows(name)
}

fn take(rest: &mut &[&str], word: &str) -> bool {
    match rest.split_first() {
        Some((first, behind)) if *first == word => {
            *rest = behind;
            true
        }
        _ => false,
    }
}

#[test]
fn everything_that_coldcut_is_built_of_is_allowed() {
    let offences = offences(&page(), &packages());
    assert!(offences.is_empty(), "\n{}\n", offences.join("\n"));
}

/// scripts/fuzz.sh could not build otherwise.
#[test]
fn the_lock_file_of_the_fuzzers_follows_cargo_toml() {
    let run = metadata("fuzz/Cargo.toml");
    let words = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "`cargo update -w --manifest-path fuzz/Cargo.toml`: {words}");
}

#[test]
fn what_is_not_allowed_is_named() {
    let package = |name: &str, license: Option<&str>, source: &str| Package {
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        license: license.map(str::to_owned),
        source: Some(source.to_owned()),
    };
    let registry = "registry+https://github.com/rust-lang/crates.io-index";
    let packages = [
        package("aes", Some("MIT"), registry),
        package("aes", Some("MIT"), registry),
        package("rustls", Some("MIT"), registry),
        package("nettle", Some("LGPL-3.0-only OR GPL-2.0-only"), registry),
        package("other", Some("LGPL-3.0-only OR GPL-2.0-only"), registry),
        package("silent", None, registry),
        package("stray", Some("MIT"), "git+https://example.org/stray"),
    ];
    assert_eq!(
        offences(&page(), &packages),
        [
            "other 1.0.0: is under LGPL-3.0-only OR GPL-2.0-only",
            "silent 1.0.0: is under nothing",
            "stray 1.0.0: comes from git+https://example.org/stray",
            "aes: is there 2 times, and may be 1",
            "rustls: is there 1 times, and may be 0",
        ]
    );
}

#[test]
fn expressions_are_read_as_spdx_says() {
    let allows =
        |licence: &str| matches!(licence, "MIT" | "Zlib" | "Apache-2.0 WITH LLVM-exception");
    for (expression, allowed) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("GPL-3.0 OR MIT AND Zlib", true),
        ("(GPL-3.0 OR MIT) AND ISC", false),
        ("(GPL-3.0 OR MIT) AND Zlib", true),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("Apache-2.0", false),
        ("MIT WITH LLVM-exception", false),
    ] {
        assert_eq!(is_allowed(expression, &allows), allowed, "{expression}");
    }
}
