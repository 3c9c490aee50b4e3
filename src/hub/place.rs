//! Where the socket of the service is. Whoever looks for one and whoever makes one must agree.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The variable that names another socket.
pub const HUB: &str = "COLDCUT_HUB";
const BELOW: &str = "coldcut/hub.sock";
const RUN: &str = "/run";

/// Where sockets of the service may be, as the environment and the command line say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubPlace {
    named: Option<PathBuf>,
    /// `$XDG_RUNTIME_DIR`.
    runtime: Option<PathBuf>,
}

impl HubPlace {
    /// `typed`: that of `--hub`.
    pub fn read(typed: Option<PathBuf>) -> HubPlace {
        HubPlace::from_vars(typed, |name| std::env::var_os(name))
    }

    /// An empty variable counts as unset, and so does a relative `$XDG_RUNTIME_DIR` (XDG Base
    /// Directory 0.8).
    fn from_vars(typed: Option<PathBuf>, var: impl Fn(&str) -> Option<OsString>) -> HubPlace {
        let path = |name: &str| var(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        HubPlace {
            named: typed.or_else(|| path(HUB)),
            runtime: path("XDG_RUNTIME_DIR").filter(|path| path.is_absolute()),
        }
    }

    /// Where a service makes its socket.
    pub fn own(&self) -> PathBuf {
        let dir = self.runtime.as_deref().unwrap_or(Path::new(RUN));
        self.named.clone().unwrap_or_else(|| dir.join(BELOW))
    }

    /// Where others look for it, the first place first.
    pub fn candidates(&self) -> Vec<PathBuf> {
        match (&self.named, &self.runtime) {
            (Some(named), _) => vec![named.clone()],
            (None, Some(runtime)) => vec![runtime.join(BELOW), HubPlace::of_the_system()],
            (None, None) => vec![HubPlace::of_the_system()],
        }
    }

    /// Where a service of the system has its socket, in a directory that only root can make.
    pub fn of_the_system() -> PathBuf {
        Path::new(RUN).join(BELOW)
    }

    /// Whether the socket is for the members of its group, too: that of a service of the system.
    pub fn is_of_the_system(&self) -> bool {
        self.named.is_none() && self.runtime.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(typed: Option<&str>, vars: &[(&str, &str)]) -> HubPlace {
        HubPlace::from_vars(typed.map(PathBuf::from), |name| {
            vars.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn the_option_goes_before_the_variable_and_both_before_the_runtime_directory() {
        let vars = [(HUB, "/v"), ("XDG_RUNTIME_DIR", "/run/user/1")];
        assert_eq!(place(Some("/o"), &vars).candidates(), [PathBuf::from("/o")]);
        assert_eq!(place(None, &vars).own(), Path::new("/v"));
        let user = place(None, &[(HUB, ""), vars[1]]);
        assert_eq!(user.own(), Path::new("/run/user/1/coldcut/hub.sock"));
        assert!(!user.is_of_the_system());
    }

    #[test]
    fn a_user_finds_the_service_of_the_system_where_there_is_none_of_their_own() {
        let system = PathBuf::from("/run/coldcut/hub.sock");
        let user = place(None, &[("XDG_RUNTIME_DIR", "/run/user/1")]);
        assert_eq!(user.candidates()[1], system);
        let service = place(None, &[("XDG_RUNTIME_DIR", "relative")]);
        assert_eq!((service.own(), service.candidates()), (system.clone(), vec![system]));
        assert!(service.is_of_the_system());
    }
}
