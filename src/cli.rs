//! The command line: its words, its help, and the exit codes.
//!
//! What was written is kept as it was written. What it means (addresses, sizes, names of servers) is
//! found out by `main`, which has the world at hand and can say what was meant instead.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

/// Where every class of Exchange hybrid mail goes, why, and what breaks it
///
/// hybridmx reads a description of an Exchange hybrid deployment (on-premises servers, Send and
/// Receive connectors, accepted domains, Exchange Online with its Microsoft 365 Groups, and DNS) and
/// follows mail through it, hop by hop, as Exchange's transport would. `lab` runs the same world for
/// real on loopback addresses, and `test` compares what was predicted with what happens there.
#[derive(Debug, Parser)]
#[command(
    name = "hybridmx",
    version,
    max_term_width = 100,
    after_help = "`hybridmx COMMAND --help` has examples.",
    after_long_help = LONG_AFTER
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const LONG_AFTER: &str = "\
Examples:
  hybridmx check testnet/contoso
  hybridmx trace testnet/contoso --from david@contoso.com --to engineering@groups.contoso.com
  hybridmx flows testnet/contoso
  hybridmx lab
  hybridmx test testnet/contoso
  hybridmx explain 5.7.133

Exit codes:
  0  the answer is good
  1  the answer is bad: `check` found something at or above --fail-on; `test` disagreed
  2  the world or the command line cannot be used
  3  the outside failed, such as a full disk or a port that is taken";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Find what is broken: every rule, every class of flow, every expectation
    Check(Check),
    /// Print what a shell needs to complete commands, options and values
    Completions(Completions),
    /// Explain a rule of `check`, or a reply code of an NDR or a queue
    Explain(Explain),
    /// List where every class of mail goes
    Flows(Flows),
    /// Run a world on this machine: SMTP on every server, DNS, TLS, mailboxes, metrics
    Lab(Lab),
    /// Carry mail for real, as one server of a world
    Relay(Relay),
    /// Print the JSON Schema of worlds, for editors
    Schema,
    /// Send every predicted flow as a real message through a lab, and compare
    Test(Test),
    /// Follow one message: every hop, what was chosen there, what lost and why
    Trace(Trace),
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For programs; the format is versioned
    Json,
    /// For people
    Text,
}

/// How the answer of `check` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CheckFormat {
    /// A page for a change board: one file, which asks for nothing from elsewhere
    Html,
    /// For programs; the format is versioned
    Json,
    /// For CI: a test case for each rule and each expectation
    Junit,
    /// For code hosts and editors: SARIF 2.1.0
    Sarif,
    /// For people
    Text,
}

impl CheckFormat {
    /// The format in which the program says that it cannot answer.
    #[must_use]
    pub fn plain(self) -> Format {
        match self {
            Self::Json => Format::Json,
            Self::Html | Self::Junit | Self::Sarif | Self::Text => Format::Text,
        }
    }
}

/// How the answer of `flows` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FlowsFormat {
    /// For spreadsheets
    Csv,
    /// For programs; the format is versioned
    Json,
    /// For people
    Text,
}

impl FlowsFormat {
    /// The format in which the program says that it cannot answer.
    #[must_use]
    pub fn plain(self) -> Format {
        match self {
            Self::Json => Format::Json,
            Self::Csv | Self::Text => Format::Text,
        }
    }
}

/// How the answer of `trace` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TraceFormat {
    /// For Graphviz
    Dot,
    /// For programs; the format is versioned
    Json,
    /// A drawing for browsers and documents
    Svg,
    /// For people
    Text,
}

impl TraceFormat {
    /// The format in which the program says that it cannot answer.
    #[must_use]
    pub fn plain(self) -> Format {
        match self {
            Self::Json => Format::Json,
            Self::Dot | Self::Svg | Self::Text => Format::Text,
        }
    }
}

/// What sort of message `trace` follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A calendar invitation: groups send it to those who want events
    Invitation,
    /// Anything else
    Message,
}

/// The severities that can make `check` fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Errors only
    Error,
    /// Errors and warnings
    Warning,
}

/// Arguments of `check`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hybridmx check world.toml                     before the change, and after it
  hybridmx check testnet/contoso --fail-on warning
  hybridmx check world.toml --format json       findings with witness flows and fixes
  hybridmx check world.toml --format html > world.html
  hybridmx check world.toml --format junit --fail-on warning > results.xml

Each finding names the setting, shows a message that suffers from it, and how to mend it:
`Set-SendConnector`, `New-AcceptedDomain` or the DNS record as you would type it.
Exit code 1 if there is a finding at or above --fail-on; notes never count.")]
pub struct Check {
    /// A world: a .toml or .json file, or a folder with a world.toml
    pub world: PathBuf,
    /// How to write the answer
    #[arg(long, value_enum, ignore_case = true, default_value_t = CheckFormat::Text)]
    pub format: CheckFormat,
    /// The mildest finding that makes the exit code 1
    #[arg(long, value_enum, ignore_case = true, value_name = "SEVERITY", default_value_t = FailOn::Error)]
    pub fail_on: FailOn,
}

/// Arguments of `trace`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hybridmx trace world.toml --from david@contoso.com --to engineering@groups.contoso.com
      a mailbox user writes to a Microsoft 365 Group, authenticated at the user's own server
  hybridmx trace world.toml --from ann@fabrikam.com --to julie@contoso.com --size 40MB
      mail from the Internet, larger than a connector's MaxMessageSize
  hybridmx trace world.toml --from scanner@contoso.com --to julie@contoso.com --at EX01
      a device hands it to EX01 without authentication
  hybridmx trace world.toml --from '<>' --to david@contoso.com
      a notification: nobody is told if it fails
  hybridmx trace world.toml --from ann@fabrikam.com --to julie@contoso.com --format svg > trace.svg

Each hop lists the tracking-log events (RECEIVE, RESOLVE, EXPAND, SENDEXTERNAL, ...) with the
connector or object that decided, its place in the world's file, and every candidate that lost.")]
pub struct Trace {
    /// A world: a .toml or .json file, or a folder with a world.toml
    pub world: PathBuf,
    /// The sender; '<>' for the null reverse-path
    #[arg(long, value_name = "ADDRESS", allow_hyphen_values = true)]
    pub from: String,
    /// A recipient; repeat the option for several
    #[arg(
        long,
        value_name = "ADDRESS",
        required = true,
        allow_hyphen_values = true
    )]
    pub to: Vec<String>,
    /// The server that gets it from a client without authentication
    #[arg(long, value_name = "SERVER")]
    pub at: Option<String>,
    /// The size of the message, such as 10MB, 35840KB or 36700160
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "10KB",
        allow_hyphen_values = true
    )]
    pub size: String,
    /// What sort of message it is
    #[arg(long, value_enum, ignore_case = true, default_value_t = Kind::Message)]
    pub kind: Kind,
    /// How to write the answer
    #[arg(long, value_enum, ignore_case = true, default_value_t = TraceFormat::Text)]
    pub format: TraceFormat,
}

/// Arguments of `flows`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hybridmx flows world.toml
  hybridmx flows world.toml --format csv > flows.csv

One row for each end of each class of mail: senders and recipients that routing cannot tell apart
share a row. `hybridmx trace` shows how a row comes about.")]
pub struct Flows {
    /// A world: a .toml or .json file, or a folder with a world.toml
    pub world: PathBuf,
    /// How to write the answer
    #[arg(long, value_enum, ignore_case = true, default_value_t = FlowsFormat::Text)]
    pub format: FlowsFormat,
}

/// Arguments of `lab`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hybridmx lab                                  the deployment of the Microsoft article
  hybridmx lab world.toml --folder /tmp/lab     keeps spools and mailboxes there
  hybridmx lab --format json                    one line when it is ready, for scripts

Everything listens on loopback addresses of its own, so several labs run side by side. Every user
with a mailbox submits with the password `lab`. Ctrl-C or SIGTERM ends it.")]
pub struct Lab {
    /// A world: a .toml or .json file, or a folder with a world.toml; without it the built-in one
    pub world: Option<PathBuf>,
    /// How to say what is where
    #[arg(long, value_enum, ignore_case = true, default_value_t = Format::Text)]
    pub format: Format,
    /// How much faster than in life retries follow each other and messages expire
    #[arg(long, value_name = "FACTOR", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub pace: u32,
    /// Where spools and mailboxes are kept; without it they go when the lab ends
    #[arg(long, value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

/// Arguments of `relay`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hybridmx relay world.toml --server EX01 --settings config/relay.toml

The world says what the server decides, the settings where it listens and where it keeps messages.
Every setting is explained in config/relay.toml. Logs go to stderr. Ctrl-C or SIGTERM ends it;
messages that are not delivered then are taken up again at the next start.")]
pub struct Relay {
    /// A world: a .toml or .json file, or a folder with a world.toml
    pub world: PathBuf,
    /// The server of the world that this is
    #[arg(long, value_name = "SERVER")]
    pub server: String,
    /// How it runs on this machine
    #[arg(long, value_name = "FILE")]
    pub settings: PathBuf,
}

/// Which sizes `test` sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Sizes {
    /// Every size that a limit sets apart
    All,
    /// Ordinary messages only
    Ordinary,
}

/// Arguments of `test`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hybridmx test testnet/contoso
  hybridmx test world.toml --sizes all          large messages as well
  hybridmx test world.toml --format json

Each flow of `hybridmx flows` is sent as a real message at its origin. What happened is read from
outside: replies, delivered messages with their headers, notifications. Exit code 1 if a flow did
not do what was predicted.")]
pub struct Test {
    /// A world: a .toml or .json file, or a folder with a world.toml
    pub world: PathBuf,
    /// How to write the answer
    #[arg(long, value_enum, ignore_case = true, default_value_t = Format::Text)]
    pub format: Format,
    /// How much faster than in life retries follow each other and messages expire
    #[arg(long, value_name = "FACTOR", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub pace: u32,
    /// Which sizes to send
    #[arg(long, value_enum, ignore_case = true, default_value_t = Sizes::Ordinary)]
    pub sizes: Sizes,
}

/// Arguments of `explain`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hybridmx explain                              every rule and every mistake in a file
  hybridmx explain group-domain-not-accepted    a rule, as `check` prints it
  hybridmx explain 5.7.133                      an enhanced status
  hybridmx explain 550 5.7.133                  as an NDR or a queue's LastError prints it
  hybridmx explain 550                          every status that is said with 550")]
pub struct Explain {
    /// A rule code, a reply code, an enhanced status, or a pasted reply; without, all rules are listed
    #[arg(num_args = 0..)]
    pub code: Vec<String>,
    /// How to write the answer
    #[arg(long, value_enum, ignore_case = true, default_value_t = Format::Text)]
    pub format: Format,
}

/// Arguments of `completions`.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  hybridmx completions bash > ~/.local/share/bash-completion/completions/hybridmx
  hybridmx completions zsh > ~/.zfunc/_hybridmx          a folder of $fpath
  hybridmx completions fish > ~/.config/fish/completions/hybridmx.fish
  hybridmx completions powershell >> $PROFILE")]
pub struct Completions {
    /// The shell that is to complete
    #[arg(value_enum, ignore_case = true)]
    pub shell: Shell,
}

/// What `shell` reads to complete the words of this program.
#[must_use]
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "hybridmx", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The answer is good.
    Good,
    /// The answer is bad.
    Bad,
    /// The input or the command line cannot be used.
    Unusable,
    /// The outside failed.
    Outside,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Good => 0,
            Exit::Bad => 1,
            Exit::Unusable => 2,
            Exit::Outside => 3,
        })
    }
}

/// Whether a command line asks for JSON, for those that cannot be read as a whole.
#[must_use]
pub fn wants_json(words: &[OsString]) -> bool {
    let is = |word: &OsString, text: &str| word.eq_ignore_ascii_case(text);
    words.iter().any(|word| is(word, "--format=json"))
        || words
            .windows(2)
            .any(|pair| is(&pair[0], "--format") && is(&pair[1], "json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn json_is_recognised_in_a_broken_command_line() {
        let asks = |line: &str| {
            let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            wants_json(&words)
        };
        assert!(asks("hybridmx chek x --format json"));
        assert!(asks("hybridmx check x --format=JSON --oops"));
        assert!(!asks("hybridmx check json --format text"));
    }

    #[test]
    fn words_may_be_in_any_case() {
        let line = [
            "hybridmx",
            "check",
            "w",
            "--format",
            "SARIF",
            "--fail-on",
            "Warning",
        ];
        let Command::Check(check) = Arguments::try_parse_from(line).unwrap().command else {
            panic!("not a check");
        };
        let found = (check.format, check.fail_on);
        assert_eq!(found, (CheckFormat::Sarif, FailOn::Warning));
        assert!(Arguments::try_parse_from(["hybridmx", "completions", "PowerShell"]).is_ok());
    }

    #[test]
    fn the_null_reverse_path_is_a_value() {
        let line = ["hybridmx", "trace", "w", "--from", "<>", "--to", "a@b.c"];
        let Command::Trace(trace) = Arguments::try_parse_from(line).unwrap().command else {
            panic!("not a trace");
        };
        assert_eq!((trace.from.as_str(), trace.size.as_str()), ("<>", "10KB"));
    }
}
