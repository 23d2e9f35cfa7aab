//! What somebody may have meant to write.

/// The closest of `known` to a word that is not among them, where one is close enough to be meant.
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| {
            (
                strsim::damerau_levenshtein(&lower, &candidate.to_lowercase()),
                candidate,
            )
        })
        .filter(|(distance, candidate)| {
            *distance <= 1 + candidate.chars().count().min(word.chars().count()) / 4
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_are_close_or_absent() {
        let known = ["AddressSpaces", "RequireTLS", "TlsDomain"];
        assert_eq!(did_you_mean("AdressSpaces", known), Some("AddressSpaces"));
        assert_eq!(did_you_mean("requiretls", known), Some("RequireTLS"));
        assert_eq!(did_you_mean("Colour", known), None);
    }
}
