//! What the environment says of the locale.

use std::ffi::OsString;

/// The character set of the locale's names, as it is written in `LC_ALL`, `LC_CTYPE` or `LANG`: the
/// first of them that is set counts. `None` where none says it.
pub fn charset() -> Option<String> {
    charset_in(|name| std::env::var_os(name))
}

fn charset_in(var: impl Fn(&str) -> Option<OsString>) -> Option<String> {
    let set = |name: &&str| var(name).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set)?.into_string().ok()?;
    let charset = locale.split_once('.')?.1.split('@').next()?;
    let is_one = !charset.is_empty() && charset.bytes().all(|b| b.is_ascii_graphic());
    is_one.then(|| charset.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_variable_that_is_set_counts() {
        let told = |vars: &[(&str, &str)]| {
            charset_in(|name| {
                let found = vars.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            })
        };
        assert_eq!(told(&[("LANG", "de_DE.UTF-8")]).as_deref(), Some("UTF-8"));
        let vars = [("LC_ALL", ""), ("LC_CTYPE", "de_DE.ISO-8859-15@euro"), ("LANG", "x.UTF-8")];
        assert_eq!(told(&vars).as_deref(), Some("ISO-8859-15"));
        assert_eq!(told(&[("LC_ALL", "C"), ("LANG", "x.UTF-8")]), None);
        assert_eq!(told(&[("LANG", "x.a b")]), None);
        assert_eq!(told(&[]), None);
    }
}
