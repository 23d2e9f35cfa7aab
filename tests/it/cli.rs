//! The built program as people and scripts use it: exit codes, JSON, mistakes at the prompt.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const CONTOSO: &str = "testnet/contoso";
const NOT_ACCEPTED: &str = "testnet/broken-group-domain-not-accepted";
const BY_EDGE: &str = "testnet/broken-group-domain-sent-by-edge";
const HEALTHY: &str = include_str!("../../testnet/contoso/world.toml");

/// The program, in the folder of the project, on no terminal.
fn hybridmx(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hybridmx"));
    command
        .args(words)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null());
    command
}

fn run(words: &[&str]) -> Output {
    hybridmx(words).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// Runs the program; its exit code and a part of what it must say, on stdout for answers and on
/// stderr for complaints. The other of the two is empty, nobody panics, and nothing is coloured.
#[track_caller]
fn check(words: &[&str], code: i32, says: &str) {
    let output = run(words);
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    let (said, other) = if code == 2 {
        (stderr, stdout)
    } else {
        (stdout, stderr)
    };
    assert_eq!(output.status.code(), Some(code), "{words:?}: {said}{other}");
    assert!(
        said.contains(says),
        "{words:?}: `{says}` is not in:\n{said}"
    );
    assert_eq!(other, "", "{words:?}");
    for bad in ["\x1b[", "panicked"] {
        assert!(!said.contains(bad), "{words:?}: `{bad}` is in:\n{said}");
    }
}

/// What the program prints as JSON.
#[track_caller]
fn json(words: &[&str], code: i32) -> Value {
    let output = run(&[words, &["--format", "json"]].concat());
    assert_eq!(output.status.code(), Some(code), "{words:?}");
    assert_eq!(text(&output.stderr), "", "{words:?}");
    let value: Value = serde_json::from_slice(&output.stdout).expect("stdout is JSON");
    assert_eq!(value["format_version"], "1.0", "{words:?}");
    value
}

/// Every key must be there, whatever its value.
#[track_caller]
fn has_keys(value: &Value, keys: &str) {
    for key in keys.split(' ') {
        assert!(value.get(key).is_some(), "no `{key}` in {value:#}");
    }
}

/// The healthy world after one change, in a file of its own.
#[expect(
    clippy::disallowed_methods,
    reason = "the program reads worlds from files, so these tests write some"
)]
fn changed(name: &str, from: &str, to: &str) -> PathBuf {
    assert!(HEALTHY.contains(from), "`{from}` is not in the world");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{name}.toml"));
    std::fs::write(&path, HEALTHY.replacen(from, to, 1)).expect("a file can be written");
    path
}

/// A group with a second address in a relayed domain: a warning, and no error.
fn world_with_a_warning(name: &str) -> PathBuf {
    changed(
        name,
        "smtp:engineering@contoso.onmicrosoft.com",
        "smtp:eng@groups.contoso.com",
    )
}

/// A name from a world is data in the line that an administrator pastes.
#[test]
fn fixes_quote_hostile_names() {
    let name = "Name = \"groups.contoso.com\"\nDomainName = \"groups.contoso.com\"\nDomainType = \"InternalRelay\"";
    let hostile = "Name = \"a\\\"; Remove-Item \u{201d}$(x)\"\nDomainName = \"groups.contoso.com\"\nDomainType = \"Authoritative\"";
    let path = changed("hostile", name, hostile);
    let path = path.to_str().expect("UTF-8");
    let report = json(&["check", path], 0);
    let findings = report["findings"].as_array().expect("a list");
    let scripts: Vec<&str> = findings
        .iter()
        .flat_map(|finding| finding["fix"].as_array().into_iter().flatten())
        .filter_map(|fix| fix["script"].as_str())
        .collect();
    let quoted = "-Identity \"a`\"; Remove-Item `\u{201d}`$(x)\" ";
    assert!(
        scripts.iter().any(|script| script.contains(quoted)),
        "{scripts:#?}"
    );
}

fn trace<'a>(world: &'a str, from: &'a str, to: &'a str) -> [&'a str; 6] {
    ["trace", world, "--from", from, "--to", to]
}

#[test]
fn a_good_answer_exits_0() {
    check(&["check", CONTOSO], 0, "no errors, no warnings");
    check(&["check", CONTOSO, "--fail-on", "warning"], 0, "3 notes");
    check(&["flows", CONTOSO], 0, "rows: ");
    check(&["flows", NOT_ACCEPTED], 0, "5.7.133");
    check(&["explain", "550", "5.7.133"], 0, "look at: ");
    check(&["explain", "550 5.7.133"], 0, "look at: ");
    check(&["explain", "554"], 0, "5.4.14");
    check(&["explain", "Open-Relay"], 0, "error[open-relay]");
    check(
        &["explain", "group-echo-off"],
        0,
        "not live: nothing is lost",
    );
    check(&["explain"], 0, "an unauthenticated stranger may relay");
    check(&["schema"], 0, "TlsDomainCapabilities");
    check(&["--version"], 0, "hybridmx 0.");
    check(&["--help"], 0, "Exit codes:");
    check(&["trace", "--help"], 0, "--from '<>'");
}

#[test]
fn a_trace_exits_0_however_the_mail_ends() {
    let group = "sales@groups.contoso.com";
    check(
        &trace(CONTOSO, "david@contoso.com", group),
        0,
        "=> Delivered",
    );
    let invitation = trace(CONTOSO, "david@contoso.com", group);
    let invitation = [&invitation[..], &["--kind", "invitation"]].concat();
    check(&invitation, 0, "=> Delivered");
    check(&trace(BY_EDGE, "david@contoso.com", group), 0, "=> Looped");
    check(
        &trace(CONTOSO, "<>", "nobody@contoso.com"),
        0,
        "=> Rejected",
    );
    check(
        &trace(CONTOSO, "<david@contoso.com>", "SMTP:julie@contoso.com"),
        0,
        "=> Delivered",
    );
    let device = trace(CONTOSO, "scanner@contoso.com", "david@contoso.com");
    let device = [&device[..], &["--at", "ex01.CONTOSO.com"]].concat();
    check(&device, 0, "without authentication");
}

#[test]
fn every_format_is_an_answer() {
    for (format, says) in [
        ("html", "<!DOCTYPE html>"),
        ("json", "\"findings\""),
        ("junit", "<testsuite "),
        ("sarif", "\"2.1.0\""),
        ("text", "error[group-domain-not-accepted]"),
    ] {
        check(&["check", NOT_ACCEPTED, "--format", format], 1, says);
    }
    check(
        &["flows", CONTOSO, "--format", "csv"],
        0,
        "origin,from_class,",
    );
    let words = trace(CONTOSO, "david@contoso.com", "sales@groups.contoso.com");
    for (format, says) in [("dot", "digraph trace {"), ("svg", "<svg xmlns=")] {
        check(&[&words[..], &["--format", format]].concat(), 0, says);
    }
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        check(&["completions", shell], 0, "fail-on");
    }
}

#[test]
fn a_suite_fails_where_the_exit_code_does() {
    let world = world_with_a_warning("suite");
    let world = world.to_str().expect("UTF-8");
    let words = ["check", world, "--format", "junit"];
    check(&words, 0, "failures=\"0\"");
    let words = [&words[..], &["--fail-on", "warning"]].concat();
    check(&words, 1, "failures=\"1\"");
}

#[test]
fn what_a_fix_changes_has_both_ends() {
    let output = run(&["check", NOT_ACCEPTED, "--format", "sarif"]);
    let log: Value = serde_json::from_slice(&output.stdout).expect("stdout is JSON");
    let result = &log["runs"][0]["results"][0];
    let location = &result["locations"][0]["physicalLocation"];
    let uri = &location["artifactLocation"]["uri"];
    assert_eq!(uri, "testnet/broken-group-domain-not-accepted/world.toml");
    let change = &result["fixes"][0]["artifactChanges"][0]["replacements"][0];
    let region = &change["deletedRegion"];
    has_keys(region, "startLine startColumn endLine endColumn");
    assert!(result["codeFlows"][0]["threadFlows"][0]["locations"][0].is_object());
}

/// A notification that fails is told to nobody, wherever it fails (RFC 5321 §4.5.5).
#[test]
fn nobody_is_told_of_a_failed_notification() {
    let device = [
        "--at",
        "EX01",
        "--size",
        "36MB",
        "--to",
        "nobody@contoso.com",
    ];
    let words = trace(CONTOSO, "<>", "julie@contoso.com");
    let answer = json(&[&words[..], &device].concat(), 0);
    let forks = answer["forks"].as_array().expect("forks");
    assert_eq!(forks.len(), 2);
    for fork in forks {
        assert_eq!(
            (&fork["disposition"], &fork["reported_by"]),
            (&"Bounced".into(), &Value::Null)
        );
    }
    let told = trace(CONTOSO, "david@contoso.com", "julie@contoso.com");
    let told = json(&[&told[..], &["--size", "36MB"]].concat(), 0);
    assert_eq!(told["forks"][0]["reported_by"], "EX01");
}

#[test]
fn a_bad_answer_exits_1() {
    check(&["check", NOT_ACCEPTED], 1, "New-AcceptedDomain");
    json(&["check", NOT_ACCEPTED], 1);
}

#[test]
fn a_warning_is_bad_where_it_was_asked_for() {
    let world = world_with_a_warning("severity");
    let world = world.to_str().expect("UTF-8");
    check(&["check", world], 0, "1 warning");
    check(&["check", world, "--fail-on", "warning"], 1, "1 warning");
}

#[test]
fn what_was_typed_wrong_exits_2_and_says_what_was_meant() {
    for (words, says) in [
        (&["chek", CONTOSO][..], "'check'"),
        (&["check"], "<WORLD>"),
        (&["check", CONTOSO, "--fail-on", "errors"], "error, warning"),
        (&["check", CONTOSO, "--fromat", "json"], "'--format'"),
        (&["check", CONTOSO, "--format", "sarf"], "'sarif'"),
        (
            &["check", "nowhere", "--format", "sarif"],
            "`nowhere` does not exist",
        ),
        (
            &["check", CONTOSO, "--format", "csv"],
            "html, json, junit, sarif, text",
        ),
        (&["flows", CONTOSO, "--format", "cvs"], "csv, json, text"),
        (&["completions", "basch"], "'bash'"),
        (&["completions"], "<SHELL>"),
        (
            &["check", "testnet/kontoso"],
            "`testnet/kontoso` does not exist",
        ),
        (&["check", "src"], "world.toml"),
        (&["trace", CONTOSO, "--from", "david@contoso.com"], "--to"),
        (&["lab", CONTOSO, "--pace", "0"], "0 is not in 1.."),
        (
            &["explain", "error[open-rely]: x"],
            "did you mean `open-relay`?",
        ),
        (&["explain", "open-rely"], "did you mean `open-relay`?"),
        (&["explain", "5.7.1333"], "did you mean `5.7.133`?"),
    ] {
        check(words, 2, says);
    }
}

#[test]
fn a_message_that_cannot_be_sent_exits_2_and_says_what_was_meant() {
    let julie = "julie@contoso.com";
    for (from, to, more, says) in [
        ("david", julie, "", "did you mean `david@contoso.com`?"),
        ("davidcontoso.com", julie, "", "it has no `@`"),
        ("david@", julie, "", "nothing stands behind its `@`"),
        ("@contoso.com", julie, "", "nothing stands before its `@`"),
        (
            "david@contoso.com;julie@contoso.com",
            julie,
            "",
            "give one address after --from",
        ),
        (
            julie,
            "david@contoso.com, carol@contoso.com",
            "",
            "repeat --to for each recipient",
        ),
        (
            "davud@contoso.com",
            julie,
            "",
            "did you mean `david@contoso.com`?",
        ),
        (
            "david@contsoo.com@",
            julie,
            "",
            "`david@contsoo.com@` after --from",
        ),
        ("scanner@contoso.com", julie, "", "--at SERVER"),
        ("sales@groups.contoso.com", julie, "", "GroupMailbox"),
        ("", julie, "", "`<>`"),
        (
            julie,
            "sales",
            "",
            "did you mean `sales@groups.contoso.com`?",
        ),
        (
            julie,
            julie,
            "--size 10XB",
            "`10XB` after --size is not a size",
        ),
        (julie, julie, "--size -1", "`-1` after --size is not a size"),
        (julie, julie, "--at EX03", "did you mean `EX01`?"),
        (
            julie,
            julie,
            "--at dc.corp.example",
            "the servers are `EX01`, `EX02`",
        ),
    ] {
        let more: Vec<&str> = more.split_whitespace().collect();
        check(&[&trace(CONTOSO, from, to)[..], &more].concat(), 2, says);
    }
}

/// David asked for copies of his own posts: what he wanted is no fault, in the table and in a trace.
#[test]
fn a_flag_that_somebody_asked_for_stands_in_parentheses() {
    let words = trace(
        CONTOSO,
        "david@contoso.com",
        "engineering@groups.contoso.com",
    );
    check(&words, 0, "Internal  (EchoBack)");
    check(&["flows", CONTOSO], 0, "(EchoBack)");
}

#[test]
fn addresses_are_understood_as_programs_print_them() {
    for from in [
        "David <david@contoso.com>",
        "\"Smith, David\" <david@contoso.com>",
        "<david@contoso.com>",
        " david@contoso.com ",
        "\"david\"@contoso.com",
        "SMTP:david@contoso.com",
        "mailto:david@contoso.com",
    ] {
        let words = trace(CONTOSO, from, "julie@contoso.com");
        check(&words, 0, "david@contoso.com → julie@contoso.com");
    }
}

#[test]
fn every_mistake_in_a_question_is_told_at_once() {
    let words = trace(CONTOSO, "david", "julie");
    let words = [&words[..], &["--at", "EX03", "--size", "big"]].concat();
    check(&words, 2, "4 errors in all");
    let diagnostics = &json(&words, 2)["diagnostics"];
    assert_eq!(diagnostics.as_array().map(Vec::len), Some(4));
}

#[test]
fn a_mistake_in_a_world_has_its_place() {
    let world = changed(
        "misspelled",
        "AddressSpaces = [\"*\"]",
        "AdressSpaces = [\"*\"]",
    );
    let world = world.to_str().expect("UTF-8");
    for command in ["check", "flows"] {
        check(&[command, world], 2, "AddressSpaces");
        let diagnostic = &json(&[command, world], 2)["diagnostics"][0];
        has_keys(diagnostic, "code severity message location because help");
        let location = &diagnostic["location"];
        assert_eq!(location["file"], world);
        let line = HEALTHY
            .lines()
            .position(|line| line == "AddressSpaces = [\"*\"]");
        assert_eq!(location["line"].as_u64(), line.map(|line| line as u64 + 1));
        assert_eq!(location["column"], 1);
    }
}

#[test]
fn unusable_input_is_json_where_that_was_asked_for() {
    for words in [
        &["chek", CONTOSO][..],
        &["check", "nowhere"],
        &["explain", "open-rely"],
        &trace(CONTOSO, "david", "julie@contoso.com"),
        &["trace", CONTOSO],
    ] {
        let diagnostic = &json(words, 2)["diagnostics"][0];
        has_keys(diagnostic, "code severity message location because help");
        assert_eq!(diagnostic["severity"], "error");
    }
}

#[test]
fn findings_have_the_keys_of_the_contract() {
    let answer = json(&["check", NOT_ACCEPTED], 1);
    has_keys(
        &answer["summary"],
        "errors warnings notes classes addresses",
    );
    assert_eq!(answer["summary"]["errors"], 1);
    let finding = &answer["findings"][0];
    has_keys(
        finding,
        "rule severity message location affected witness fix source",
    );
    has_keys(&finding["location"], "file line column");
    has_keys(&finding["witness"], "from to size forks");
    fork_has_keys(&finding["witness"]["forks"][0]);
    has_keys(&finding["fix"][0], "script side edits");
    assert_eq!(finding["rule"], "group-domain-not-accepted");
    assert_eq!(finding["fix"][0]["side"], "on premises");
    let edits = finding["fix"][0]["edits"].as_array().expect("edits");
    for edit in edits {
        has_keys(edit, "location set");
        has_keys(&edit["location"], "file line column offset length");
    }
}

#[track_caller]
fn fork_has_keys(fork: &Value) {
    let keys = "recipient disposition status final_status trust flags hops cycle reported_by";
    has_keys(fork, keys);
    for hop in fork["hops"].as_array().expect("hops") {
        has_keys(hop, "server role connector tls steps");
        for step in hop["steps"].as_array().expect("steps") {
            has_keys(
                step,
                "event recipient chosen chosen_location because rejected",
            );
            for loser in step["rejected"].as_array().expect("rejected") {
                has_keys(loser, "candidate reason location");
            }
        }
    }
}

#[test]
fn traces_have_the_keys_of_the_contract() {
    let group = "engineering@groups.contoso.com";
    let answer = json(&trace(NOT_ACCEPTED, "david@contoso.com", group), 0);
    let fork = &answer["forks"][0];
    fork_has_keys(fork);
    has_keys(&fork["status"], "code enhanced text");
    has_keys(&fork["flags"][0], "flag expected server reason");
    assert_eq!(fork["status"]["enhanced"], "5.7.133");
    assert_eq!(
        (&fork["disposition"], &fork["trust"]),
        (&"Bounced".into(), &"Anonymous".into())
    );
    let steps = fork["hops"][0]["steps"].as_array().expect("steps");
    let chosen = steps.iter().find(|step| step["event"] == "SENDEXTERNAL");
    let chosen = chosen.expect("it leaves the premises");
    assert_eq!(chosen["chosen"], "Outbound to Office 365");
    assert!(chosen["chosen_location"]["line"].as_u64() > Some(0));
    assert_eq!(chosen["rejected"][0]["candidate"], "Internet");
}

#[test]
fn rows_have_the_keys_of_the_contract() {
    let answer = json(&["flows", BY_EDGE], 0);
    let rows = answer["flows"].as_array().expect("rows");
    for row in rows {
        let keys = "origin from_class to_class fork size example addresses path connectors \
                    disposition status final_status trust flags";
        has_keys(row, keys);
        has_keys(&row["size"], "min max");
        has_keys(&row["example"], "from to");
        assert_eq!(row["path"][0], row["origin"]);
    }
    let looped = rows.iter().find(|row| row["disposition"] == "Looped");
    let looped = looped.expect("the group domain loops");
    assert!(looped["path"].as_array().map(Vec::len) > Some(5));
    assert_eq!(looped["connectors"][0], "Groups to Office 365");
}

#[test]
fn explanations_are_rules_or_replies() {
    let rule = json(&["explain", "open-relay"], 0);
    has_keys(
        &rule["rules"][0],
        "code severity summary matters fix live source",
    );
    assert_eq!(rule["replies"], Value::Array(Vec::new()));
    let all = json(&["explain"], 0);
    let all = all["rules"].as_array().expect("a list");
    assert!(all.contains(&rule["rules"][0]), "{}", all.len());
    let reply = json(&["explain", "5.4.4"], 0);
    has_keys(
        &reply["replies"][1],
        "enhanced reply said_by meaning look_at source",
    );
}

/// One lap, then how many hops more: not sixty times the same.
#[test]
fn a_loop_is_told_once() {
    let output = run(&trace(
        BY_EDGE,
        "david@contoso.com",
        "sales@groups.contoso.com",
    ));
    let text = text(&output.stdout);
    assert!(text.contains(" more hops, cycle "), "{text}");
    let visits = text
        .lines()
        .filter(|line| line.starts_with("EDGE01 (Edge)"));
    assert_eq!(visits.count(), 1, "{text}");
}

/// `hybridmx flows … | head -1`.
#[test]
fn a_reader_who_leaves_is_no_failure() {
    for words in [&["flows", CONTOSO][..], &["schema"], &["--help"]] {
        let mut command = hybridmx(words);
        let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("the program ends");
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        assert_eq!(text(&output.stderr), "", "{words:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the device that is always full stands for a full disk"
)]
fn a_full_disk_exits_3() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let mut command = hybridmx(&["flows", CONTOSO]);
    let command = command.stdout(full.expect("the device is there"));
    let output = command.output().expect("the program runs");
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).starts_with("error: cannot write to standard output"));
}
