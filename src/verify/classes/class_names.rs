//! Names of classes, as short as they can be told apart.

use std::collections::HashMap;

use crate::mail::Mailbox;

/// The kind alone where it is alone, else with the qualifiers that it takes.
pub(super) fn unique_names<'a>(
    classes: impl Iterator<Item = (&'static str, [String; 2], &'a Mailbox)>,
) -> Vec<String> {
    let forms: Vec<[String; 5]> = classes
        .map(|(kind, [first, second], example)| {
            let both = format!("{first} {second}");
            let with =
                |qualifier: &str| format!("{kind} {}", qualifier.trim()).trim_end().to_owned();
            [
                kind.to_owned(),
                with(&first),
                with(&second),
                with(&both),
                format!("{kind} like {example}"),
            ]
        })
        .collect();
    let mut met: HashMap<(usize, &str), usize> = HashMap::new();
    for (level, name) in forms.iter().flat_map(|form| form.iter().enumerate()) {
        *met.entry((level, name)).or_default() += 1;
    }
    let alone = |form: &[String; 5], level: usize| met[&(level, form[level].as_str())] == 1;
    forms
        .iter()
        .map(|form| form[(0..4).find(|level| alone(form, *level)).unwrap_or(4)].clone())
        .collect()
}
