//! Environment variables that make a program run other code than its own: an exec with one of them is refused.
//!
//! They are refused rather than removed because the guard cannot change what the kernel copies, and an operator should be told.
//! Variables that only make a program *start* another (PAGER, EDITOR, LESSOPEN, GIT_SSH) are not here: that is an exec again.

/// How a row of the table matches.
enum Name {
    Is(&'static str),
    StartsWith(&'static str),
}
use Name::{Is, StartsWith};

/// Who reads the variable, and which.
const DANGEROUS: &[(&str, &[Name])] = &[
    ("the dynamic loader", &[StartsWith("LD_")]),
    // iconv modules, message catalogues and locale archives are code or format strings; traces are written files
    ("the C library", &[Is("GCONV_PATH"), Is("GETCONF_DIR"), Is("GLIBC_TUNABLES"), Is("LOCPATH"), Is("MALLOC_TRACE"), Is("NLSPATH"), Is("NIS_PATH")]),
    ("the shell", &[
        Is("BASH_ENV"), Is("ENV"), StartsWith("BASH_FUNC_"), Is("SHELLOPTS"), Is("BASHOPTS"), Is("BASH_LOADABLES_PATH"), Is("PS4"), Is("IFS"),
        Is("ZDOTDIR"), Is("FPATH"),
    ]),
    ("perl", &[Is("PERL5OPT"), Is("PERL5LIB"), Is("PERLLIB"), Is("PERL5DB"), Is("PERL5SHELL"), Is("PERLIO_DEBUG")]),
    ("python", &[
        Is("PYTHONPATH"), Is("PYTHONHOME"), Is("PYTHONSTARTUP"), Is("PYTHONUSERBASE"), Is("PYTHONINSPECT"), Is("PYTHONBREAKPOINT"), Is("PYTHONPLATLIBDIR"),
        Is("PYTHONEXECUTABLE"), Is("PYTHONPYCACHEPREFIX"), Is("PYTHONWARNINGS"), Is("PYTHONCASEOK"), Is("PYTHON_PRESITE"),
    ]),
    ("ruby", &[Is("RUBYOPT"), Is("RUBYLIB"), Is("RUBYSHELL"), Is("GEM_PATH"), Is("GEM_HOME"), Is("BUNDLE_GEMFILE")]),
    ("node", &[Is("NODE_OPTIONS"), Is("NODE_PATH")]),
    ("lua", &[StartsWith("LUA_INIT"), StartsWith("LUA_PATH"), StartsWith("LUA_CPATH")]),
    ("tcl", &[Is("TCLLIBPATH"), Is("TCL_LIBRARY")]),
    ("php", &[Is("PHPRC"), Is("PHP_INI_SCAN_DIR")]),
    ("java", &[Is("JAVA_TOOL_OPTIONS"), Is("_JAVA_OPTIONS"), Is("JDK_JAVA_OPTIONS"), Is("CLASSPATH")]),
    // options behind an operand become operands: the arguments that were judged are read as others
    ("getopt", &[Is("POSIXLY_CORRECT")]),
    ("OpenSSL", &[Is("OPENSSL_CONF"), Is("OPENSSL_ENGINES"), Is("OPENSSL_MODULES")]),
    ("awk", &[Is("AWKPATH"), Is("AWKLIBPATH")]),
    ("gcc", &[Is("GCC_EXEC_PREFIX"), Is("COMPILER_PATH")]),
    ("kerberos", &[Is("KRB5_CONFIG")]),
];

/// The first dangerous variable of an environment, as (its name, who reads it).
pub(super) fn dangerous<'a>(environment: impl Iterator<Item = &'a [u8]>) -> Option<(&'a [u8], &'static str)> {
    environment.into_iter().find_map(|entry| {
        // an entry without `=` is a variable to some programs
        let name = entry.split(|byte| *byte == b'=').next().unwrap_or(entry);
        DANGEROUS.iter().find(|(_, names)| names.iter().any(|row| row.matches(name))).map(|(reader, _)| (name, *reader))
    })
}

/// The entries of an environment that an allow-list keeps, all without one.
pub(super) fn kept<'a>(environment: impl Iterator<Item = &'a [u8]>, names: Option<&[String]>) -> Vec<Vec<u8>> {
    let is_kept = |entry: &&[u8]| {
        let name = entry.split(|byte| *byte == b'=').next().unwrap_or(entry);
        names.is_none_or(|names| names.iter().any(|kept| kept.as_bytes() == name))
    };
    environment.filter(is_kept).map(<[u8]>::to_vec).collect()
}

impl Name {
    fn matches(&self, name: &[u8]) -> bool {
        match self {
            Is(this) => name == this.as_bytes(),
            StartsWith(start) => name.starts_with(start.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(entry: &str) -> Option<String> {
        let entries = ["PATH=/usr/bin", "LANG=C", entry];
        dangerous(entries.iter().map(|e| e.as_bytes())).map(|(name, _)| String::from_utf8(name.to_vec()).unwrap())
    }

    #[test]
    fn code_of_the_callers_choice() {
        let refused = [
            "LD_PRELOAD=/tmp/x.so", "LD_AUDIT=", "LD_LIBRARY_PATH=.", "LD_DEBUG", "LD_BIND_NOW=1",
            "GCONV_PATH=/tmp", "GLIBC_TUNABLES=a=b", "BASH_ENV=/tmp/x", "ENV=x",
            "BASH_FUNC_ls%%=() { id; }", "PERL5OPT=-Mx", "PERL5LIB=.",
            "PYTHONSTARTUP=x", "PYTHONPATH=/tmp", "NODE_OPTIONS=--require=x", "LUA_INIT_5_4=@x", "SHELLOPTS=xtrace", "POSIXLY_CORRECT", "POSIXLY_CORRECT=1",
        ];
        for entry in refused {
            assert_eq!(check(entry).as_deref(), entry.split('=').next(), "{entry}");
        }
    }

    #[test]
    fn everyday_variables_pass() {
        let fine = [
            "TERM=xterm", "HOME=/", "LC_ALL=C", "_=/bin/ls", "LS_COLORS=", "PAGER=less", "EDITOR=vi", "OLD_PATH=x", "ENVIRONMENT=prod", "MAKEFLAGS=",
            "", "=", "PYTHONUNBUFFERED=1", "XLD_PRELOAD=1",
        ];
        for entry in fine {
            assert_eq!(check(entry), None, "{entry}");
        }
    }

    #[test]
    fn an_allow_list_keeps_whole_names_only() {
        let entries = ["PATH=/bin", "PATHS=x", "LANG", "=x", "EMPTY="].map(str::as_bytes);
        let names = ["PATH", "LANG", "EMPTY"].map(str::to_owned);
        assert_eq!(kept(entries.into_iter(), Some(&names)), [&b"PATH=/bin"[..], b"LANG", b"EMPTY="]);
        assert!(kept(entries.into_iter(), Some(&[])).is_empty());
        assert_eq!(kept(entries.into_iter(), None), entries);
    }

    #[test]
    fn the_table_has_no_row_twice() {
        let mut names: Vec<&str> = DANGEROUS.iter().flat_map(|(_, names)| names.iter()).map(|name| match name { Is(n) | StartsWith(n) => *n }).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
