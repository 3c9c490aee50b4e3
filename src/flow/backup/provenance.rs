//! What a run says of itself on the discs: the locale of its names, the options that change what is
//! stored, and what was left out by them.

use crate::flow::backup::compare::SourceComparison;
use crate::model::rows::RunLine;
use crate::port::locale::charset;
use crate::scan::filter::FilterOptions;

/// Before the scan.
pub(super) fn options(filter: &FilterOptions) -> Vec<RunLine> {
    let option =
        |name: &str, value: &[u8]| RunLine::Option { name: name.to_owned(), value: value.to_vec() };
    let mut lines: Vec<RunLine> = charset().into_iter().map(RunLine::Charset).collect();
    lines.extend(filter.exclude.iter().map(|glob| option("exclude", glob.as_bytes())));
    let lists = filter.exclude_from.iter();
    lines.extend(lists.map(|list| option("exclude-from", list.as_os_str().as_encoded_bytes())));
    let names = filter.exclude_if_present.iter();
    lines.extend(names.map(|name| option("exclude-if-present", name)));
    let switches =
        [("exclude-caches", filter.exclude_caches), ("one-file-system", filter.one_file_system)];
    let on = switches.into_iter().filter(|(_, on)| *on);
    lines.extend(on.map(|(name, _)| option(name, b"yes")));
    lines
}

/// After it: each rule that left something out, and how many paths; of directories that were stored
/// without what is in them, these.
pub(super) fn left_out(compared: &SourceComparison) -> Vec<RunLine> {
    let line = |(rule, count): (&String, &u64), what: [&str; 2]| {
        let what = if *count == 1 { what[0] } else { what[1] };
        RunLine::Excluded(format!("{count} {what}: {rule}").into_bytes())
    };
    let is_skipped = |rule: &String| rule == &crate::scan::filter::Rule::Socket.to_string();
    let excluded = compared.excluded.iter().filter(|(rule, _)| !is_skipped(rule));
    let excluded = excluded.map(|one| line(one, ["path", "paths"]));
    let hollow = ["directory without its content", "directories without their content"];
    excluded.chain(compared.hollow.iter().map(|one| line(one, hollow))).collect()
}
