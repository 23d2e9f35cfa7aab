//! What stays the same of a finding while the world around it changes.

use std::collections::BTreeMap;

use crate::verify::Finding;

/// A fingerprint for each finding, no two of them the same.
///
/// It is made of the rule and of what the message quotes: the names of what is wrong. Where two
/// findings have both in common they are counted.
pub(super) fn all(findings: &[Finding]) -> Vec<String> {
    let mut seen: BTreeMap<u64, usize> = BTreeMap::new();
    let one = |finding: &Finding| {
        let diagnostic = &finding.diagnostic;
        let hash = hash(diagnostic.code, &subject(&diagnostic.message));
        let count = seen.entry(hash).or_default();
        *count += 1;
        format!("{hash:016x}:{count}")
    };
    findings.iter().map(one).collect()
}

/// What stands in back-ticks, which is what somebody wrote; the whole message where nothing does.
fn subject(message: &str) -> Vec<&str> {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    match quoted.is_empty() {
        true => vec![message],
        false => quoted,
    }
}

/// FNV-1a, 64 bits: the same in every version of this program and of its compiler.
fn hash(code: &str, subject: &[&str]) -> u64 {
    let words = std::iter::once(&code).chain(subject);
    // No text contains this byte, so the words cannot run into each other.
    let bytes = words.flat_map(|word| word.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diag::Diagnostic;

    fn finding(message: &str) -> Finding {
        Finding {
            diagnostic: Diagnostic::new("open-relay", None, message),
            affected: 0,
            witness: None,
            fix: Vec::new(),
        }
    }

    #[test]
    fn wording_does_not_matter_and_names_do() {
        let told = [
            "`a` relays",
            "relayed by `a`",
            "`b` relays",
            "anyone",
            "no one",
        ];
        let prints = all(&told.map(finding));
        let (hash, count) = prints[0].split_once(':').unwrap();
        assert_eq!((hash.len(), count), (16, "1"));
        assert_eq!(prints[1], format!("{hash}:2"));
        for other in &prints[2..] {
            assert!(
                !other.starts_with(hash) && other.ends_with(":1"),
                "{prints:?}"
            );
        }
        assert_ne!(prints[3], prints[4]);
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        // The published value of the empty text is the basis; one byte folds in once.
        assert_eq!(hash("", &[]), 0xaf64_724c_8602_eb6e);
    }
}
