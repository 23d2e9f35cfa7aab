//! Large worlds, written as files: so many domains, connectors, recipients and groups, from a seed.
//!
//! A hybrid deployment in good health. Every user is known on both sides, as directory
//! synchronization leaves it; every third mailbox is in the cloud. Microsoft 365 Groups are written
//! back; distribution groups are nested in each other. The directory is in side files, CSV for users
//! and JSON lines for the groups of the tenant. The benchmarks use this file too.

use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

/// How large a world is to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Accepted domains of both sides that hold users.
    pub(crate) domains: usize,
    /// Connectors of all kinds that are written.
    pub(crate) connectors: usize,
    /// Recipient objects of both sides that are no groups.
    pub(crate) recipients: usize,
    /// Group objects of both sides.
    pub(crate) groups: usize,
}

impl Size {
    /// What a test can wait for without optimisation.
    pub(crate) const SMALL: Self = Self {
        domains: 3,
        connectors: 6,
        recipients: 120,
        groups: 12,
    };
}

/// The Mailbox servers on premises.
const SERVERS: usize = 4;

/// The connectors that are not for a partner: three on premises, two in the cloud.
const OTHER_CONNECTORS: usize = 4;

/// Writes a world with its side files into a folder.
#[expect(clippy::disallowed_methods, reason = "a generator of files")]
pub(crate) fn write(folder: &Path, size: Size, seed: u64) -> io::Result<()> {
    let file =
        |name: &str| Ok::<_, io::Error>(BufWriter::new(std::fs::File::create(folder.join(name))?));
    file("world.toml")?.write_all(world(size).as_bytes())?;
    let mut inside = file("on-premises.csv")?;
    let mut cloud = file("cloud.csv")?;
    let mut groups = file("cloud-groups.jsonl")?;
    let mut writer = Writer {
        size,
        chance: ChaCha8Rng::seed_from_u64(seed),
    };
    writer.users(&mut inside, &mut cloud)?;
    writer.groups(&mut inside, &mut groups)?;
    for mut each in [inside, cloud, groups] {
        each.flush()?;
    }
    Ok(())
}

/// Where somebody's mailbox is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Home {
    Cloud,
    Outside,
    Server(usize),
}

/// Everybody by number, so that groups need no list of them.
fn home(user: usize) -> Home {
    match user % 30 {
        29 => Home::Outside,
        n if n % 3 == 0 => Home::Cloud,
        _ => Home::Server(user / 30 % SERVERS),
    }
}

fn partners(size: Size) -> usize {
    size.connectors.saturating_sub(OTHER_CONNECTORS).max(1)
}

struct Writer {
    size: Size,
    chance: ChaCha8Rng,
}

impl Writer {
    fn below(&mut self, limit: usize) -> usize {
        self.chance.next_u32() as usize % limit
    }

    /// Of thirty users 29 are two objects, one on each side, and one is a contact of the premises alone.
    fn users_count(&self) -> usize {
        self.size.recipients * 30 / 59
    }

    fn address(&self, user: usize) -> String {
        match home(user) {
            Home::Outside => format!(
                "user{user:06}@partner{:02}.example",
                user / 30 % partners(self.size)
            ),
            _ => format!("user{user:06}@brand{:04}.example", user % self.size.domains),
        }
    }

    fn users(&mut self, inside: &mut impl Write, cloud: &mut impl Write) -> io::Result<()> {
        let columns = "RecipientTypeDetails,Name,PrimarySmtpAddress,EmailAddresses";
        writeln!(
            inside,
            "{columns},ServerName,RemoteRoutingAddress,ExternalEmailAddress,RequireSenderAuthenticationEnabled,Members"
        )?;
        writeln!(
            cloud,
            "{columns},ExternalEmailAddress,EchoGroupMessageBackToSubscribedSender"
        )?;
        for user in 0..self.users_count() {
            let address = self.address(user);
            let routed = format!("user{user:06}@contoso.mail.onmicrosoft.com");
            let echo = ["False", "True"][usize::from(self.below(10) == 0)];
            match home(user) {
                Home::Server(server) => {
                    writeln!(
                        inside,
                        "UserMailbox,User {user},{address},,EX{server:02},,,False,"
                    )?;
                    writeln!(cloud, "MailUser,User {user},{address},,{address},{echo}")?;
                }
                Home::Cloud => {
                    writeln!(
                        inside,
                        "RemoteUserMailbox,User {user},{address},smtp:{routed},,{routed},,False,"
                    )?;
                    writeln!(
                        cloud,
                        "UserMailbox,User {user},{address},smtp:{routed},,{echo}"
                    )?;
                }
                Home::Outside => {
                    writeln!(
                        inside,
                        "MailContact,User {user},{address},,,,{address},False,"
                    )?;
                }
            }
        }
        Ok(())
    }

    /// Two objects for each group: one of the tenant that is written back, one on premises that is
    /// synchronized.
    fn groups(&mut self, inside: &mut impl Write, cloud: &mut impl Write) -> io::Result<()> {
        for number in 0..self.size.groups / 4 {
            let members = self.people();
            let open = number % 10 == 0;
            let address = format!("group{number:05}@groups.contoso.example");
            writeln!(
                inside,
                "RemoteGroupMailbox,Group {number},{address},,,,,,{}",
                members.join(";")
            )?;
            writeln!(
                cloud,
                "{{\"RecipientTypeDetails\": \"GroupMailbox\", \"Name\": \"Group {number}\", \
                 \"PrimarySmtpAddress\": \"{address}\", \"RequireSenderAuthenticationEnabled\": {}, \
                 \"AutoSubscribeNewMembers\": true, \"Members\": [\"{}\"]}}",
                !open,
                members.join("\", \"")
            )?;
            let mut members = self.people();
            if number > 2 && number % 4 == 0 {
                let inner = self.below(number);
                members.push(format!("list{inner:05}@brand0000.example"));
            }
            let address = format!("list{number:05}@brand0000.example");
            writeln!(
                inside,
                "MailUniversalDistributionGroup,List {number},{address},,,,,{},{}",
                !open,
                members.join(";")
            )?;
            writeln!(
                cloud,
                "{{\"RecipientTypeDetails\": \"MailUniversalDistributionGroup\", \"Name\": \"List {number}\", \
                 \"PrimarySmtpAddress\": \"{address}\", \"RequireSenderAuthenticationEnabled\": {}, \
                 \"Members\": [\"{}\"]}}",
                !open,
                members.join("\", \"")
            )?;
        }
        Ok(())
    }

    fn people(&mut self) -> Vec<String> {
        let count = 3 + self.below(18);
        let users = self.users_count();
        let drawn: Vec<usize> = (0..count).map(|_| self.below(users)).collect();
        drawn
            .into_iter()
            .filter(|user| home(*user) != Home::Outside)
            .map(|user| self.address(user))
            .collect()
    }
}

/// The world's own file.
fn world(size: Size) -> String {
    let mut text = ON_PREMISES.to_owned();
    for server in 0..SERVERS {
        let _ = write!(
            text,
            "\n[[OnPremises.Servers]]\nName = \"EX{server:02}\"\nFqdn = \"ex{server:02}.contoso.example\"\nServerRole = \"Mailbox\"\nSite = \"HQ\"\nAdminDisplayVersion = \"15.2.2562.46\"\nIPAddress = \"192.0.2.{}\"\n",
            10 + server
        );
        let _ = write!(
            text,
            "\n[[OnPremises.ReceiveConnectors]]\nServer = \"EX{server:02}\"\nName = \"Default Frontend EX{server:02}\"\nTlsCertificateName = \"<I>CN=Public CA<S>CN=mail.contoso.example\"\nTlsDomainCapabilities = [\"mail.protection.outlook.com:AcceptCloudServicesMail\"]\n"
        );
    }
    let brands: Vec<String> = (0..size.domains)
        .map(|n| format!("brand{n:04}.example"))
        .collect();
    for brand in &brands {
        accepted(&mut text, "OnPremises", brand);
    }
    for partner in 0..partners(size) {
        partner_of(&mut text, partner);
    }
    text += CLOUD;
    for brand in &brands {
        accepted(&mut text, "ExchangeOnline", brand);
    }
    let _ = write!(
        text,
        "\n[[ExchangeOnline.OutboundConnectors]]\nName = \"Outbound to Contoso\"\nConnectorType = \"OnPremises\"\nRecipientDomains = [\"contoso.example\", \"{}\"]\nSmartHosts = [\"mail.contoso.example\"]\nTlsSettings = \"DomainValidation\"\nTlsDomain = \"mail.contoso.example\"\nCloudServicesMailEnabled = true\n",
        brands.join("\", \"")
    );
    text += SURROUNDINGS;
    for (n, brand) in brands.iter().enumerate() {
        zone(
            &mut text,
            brand,
            &format!("@ MX 0 brand{n:04}-example.mail.protection.outlook.com."),
        );
    }
    for partner in 0..partners(size) {
        let address = format!("198.51.100.{}", 10 + partner % 200);
        zone(
            &mut text,
            &format!("partner{partner:02}.example"),
            &format!("@ MX 10 mail\nmail A {address}"),
        );
        let _ = write!(
            text,
            "\n[[Internet.Hosts]]\nName = \"mail.partner{partner:02}.example\"\nIPAddress = \"{address}\"\nDomains = [\"partner{partner:02}.example\"]\n"
        );
    }
    text
}

fn accepted(text: &mut String, organization: &str, domain: &str) {
    let _ = write!(
        text,
        "\n[[{organization}.AcceptedDomains]]\nDomainName = \"{domain}\"\nDomainType = \"Authoritative\"\n"
    );
}

fn zone(text: &mut String, name: &str, records: &str) {
    let _ = write!(
        text,
        "\n[[Dns.Zones]]\nName = \"{name}\"\nRecords = \"\"\"\n{records}\n\"\"\"\n"
    );
}

/// A connector of its own for every partner, with one of five limits.
fn partner_of(text: &mut String, partner: usize) {
    let megabytes = [10, 20, 25, 35, 50][partner % 5];
    let _ = write!(
        text,
        "\n[[OnPremises.SendConnectors]]\nName = \"Partner {partner}\"\nAddressSpaces = [\"partner{partner:02}.example\"]\nDNSRoutingEnabled = true\nFqdn = \"ex00.contoso.example\"\nMaxMessageSize = \"{megabytes}MB\"\nSourceTransportServers = [\"EX{:02}\"]\n",
        partner % SERVERS
    );
}

const ON_PREMISES: &str = r#"AsOf = 2026-11-22T00:00:00Z

[[OnPremises]]
Name = "Contoso"
RecipientsFile = "on-premises.csv"

[[OnPremises.AcceptedDomains]]
DomainName = "contoso.example"
DomainType = "Authoritative"
Default = true

[[OnPremises.AcceptedDomains]]
DomainName = "contoso.mail.onmicrosoft.com"
DomainType = "Authoritative"

[[OnPremises.AcceptedDomains]]
DomainName = "groups.contoso.example"
DomainType = "InternalRelay"

[[OnPremises.RemoteDomains]]
Name = "Hybrid Domain - contoso.mail.onmicrosoft.com"
DomainName = "contoso.mail.onmicrosoft.com"
TargetDeliveryDomain = true

[[OnPremises.SendConnectors]]
Name = "Outbound to Office 365"
AddressSpaces = ["contoso.mail.onmicrosoft.com", "groups.contoso.example"]
DNSRoutingEnabled = true
RequireTLS = true
TlsAuthLevel = "DomainValidation"
TlsDomain = "mail.protection.outlook.com"
TlsCertificateName = "<I>CN=Public CA<S>CN=mail.contoso.example"
Fqdn = "mail.contoso.example"
CloudServicesMailEnabled = true
SourceTransportServers = ["EX00"]

[[OnPremises.SendConnectors]]
Name = "Internet"
AddressSpaces = ["*"]
DNSRoutingEnabled = true
Fqdn = "ex00.contoso.example"
SourceTransportServers = ["EX00"]
"#;

const CLOUD: &str = r#"
[[ExchangeOnline]]
Name = "contoso.onmicrosoft.com"
RecipientsFile = ["cloud.csv", "cloud-groups.jsonl"]

[[ExchangeOnline.AcceptedDomains]]
DomainName = "contoso.example"
DomainType = "Authoritative"
Default = true

[[ExchangeOnline.AcceptedDomains]]
DomainName = "contoso.mail.onmicrosoft.com"
DomainType = "Authoritative"

[[ExchangeOnline.AcceptedDomains]]
DomainName = "groups.contoso.example"
DomainType = "Authoritative"

[[ExchangeOnline.InboundConnectors]]
Name = "Inbound from Contoso"
ConnectorType = "OnPremises"
SenderDomains = ["*"]
TlsSenderCertificateName = "mail.contoso.example"
RequireTls = true
CloudServicesMailEnabled = true
"#;

const SURROUNDINGS: &str = r#"
[[Internet.Senders]]
Address = "ann@partner00.example"

[[Certificates]]
Subject = "CN=mail.contoso.example"
Issuer = "CN=Public CA"
CertificateDomains = ["mail.contoso.example"]
NotAfter = 2027-11-01
Servers = ["EX00", "EX01", "EX02", "EX03"]

[[Dns.Zones]]
Name = "contoso.example"
Records = """
@       MX  0 contoso-example.mail.protection.outlook.com.
mail    A   192.0.2.10
ex00    A   192.0.2.10
ex01    A   192.0.2.11
ex02    A   192.0.2.12
ex03    A   192.0.2.13
groups  MX  0 groups-contoso-example.mail.protection.outlook.com.
"""
"#;
