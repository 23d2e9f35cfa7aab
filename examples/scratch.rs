fn main() {
    let p = std::env::args().nth(1).unwrap();
    let (w, d) = hybridmx::config::load(std::path::Path::new(&p), jiff::Timestamp::now());
    for x in &d {
        println!(
            "{:?} {} {:?} {:?}",
            x.severity,
            x.message,
            x.location.as_ref().map(|l| l.to_string()),
            x.help
        );
    }
    let Some(w) = w else { return };
    let r = hybridmx::verify::check(&w.topology, &w.zones);
    for f in &r.findings {
        println!(
            "{}[{}] {} @ {:?}\n   because {:?}\n   help {:?}\n   affected {} ",
            f.diagnostic.severity,
            f.diagnostic.code,
            f.diagnostic.message,
            f.diagnostic.location.as_ref().map(|l| l.to_string()),
            f.diagnostic.because,
            f.diagnostic.help,
            f.affected
        );
        for x in &f.fix {
            println!(
                "   fix {:?} {}\n     {:?}",
                x.side,
                x.script,
                x.edits
                    .iter()
                    .map(|e| (e.location.to_string(), e.location.length, &e.set))
                    .collect::<Vec<_>>()
            );
        }
    }
    println!("{:?}", r.summary);
    if std::env::args().nth(2).is_some() {
        for row in hybridmx::verify::flows(&w.topology, &w.zones) {
            let f = &row.fork;
            let path: Vec<_> = f
                .hops
                .iter()
                .map(|h| w.topology.server(h.server).name.clone())
                .collect();
            println!(
                "{} | {} -> {} | {} | {} | {:?} {} {} | {} | {:?} | {}",
                row.origin,
                row.from_class,
                row.to_class,
                row.size,
                f.recipient,
                f.disposition,
                f.status
                    .as_ref()
                    .map(|s| s.to_string().chars().take(40).collect::<String>())
                    .unwrap_or_default(),
                f.final_status
                    .as_ref()
                    .map(|s| s.to_string().chars().take(20).collect::<String>())
                    .unwrap_or_default(),
                if path.len() > 8 {
                    format!("{} hops {:?}", path.len(), &path[path.len() - 4..])
                } else {
                    path.join(" > ")
                },
                f.flags
                    .iter()
                    .map(|x| format!("{}{}", x.kind, x.reason))
                    .collect::<Vec<_>>(),
                row.addresses
            );
        }
    }
}
