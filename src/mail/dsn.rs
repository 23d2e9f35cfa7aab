//! Delivery status notifications in Exchange's form (RFC 3461, 3462, 3464; Exchange Server, "DSNs
//! and NDRs in Exchange Server").

use std::fmt::Write as _;

use bytes::Bytes;

use super::address::{Domain, Mailbox};
use super::header::HeaderSection;
use super::status::{EnhancedStatus, Status};

/// What happened to a recipient (RFC 3464 §2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Not yet delivered.
    Delayed,
    /// Not delivered.
    Failed,
}

impl Action {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Delayed => "delayed",
            Self::Failed => "failed",
        }
    }
}

/// One recipient of a notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedRecipient {
    /// The address that failed.
    pub recipient: Mailbox,
    /// The address the sender used, where it was another one.
    pub original: Option<Mailbox>,
    /// The status that tells why.
    pub status: Status,
    /// The host that said so, where one did.
    pub remote: Option<String>,
    /// Where the last attempt went: the host and its address.
    pub at: Option<String>,
    /// What it met, where that is not the status.
    pub last: Option<LastError>,
}

/// What the last attempt met before a server gave up or told of the delay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastError {
    /// When, as people read it.
    pub time: String,
    /// The queue's last error.
    pub said: String,
    /// Until when the message is tried, as RFC 5322 writes dates.
    pub until: String,
}

/// A notification to be written.
#[derive(Clone, Debug)]
pub struct Notification<'a> {
    /// What happened.
    pub action: Action,
    /// Whom it comes from: the postmaster of the default accepted domain.
    pub from: &'a Mailbox,
    /// Whom it goes to: the reverse-path of the message.
    pub to: &'a Mailbox,
    /// The server that writes it.
    pub reporting: &'a Domain,
    /// When the message arrived there, as RFC 5322 writes dates.
    pub arrived: &'a str,
    /// When the notification is written, likewise.
    pub date: &'a str,
    /// An identifier for Message-ID and the boundary; letters, digits and hyphens.
    pub id: &'a str,
    /// The recipients it is about.
    pub recipients: &'a [ReportedRecipient],
    /// The header section of the message.
    pub original: &'a HeaderSection,
}

impl Notification<'_> {
    /// The notification as a message with the null reverse-path in mind.
    #[must_use]
    pub fn compose(&self) -> Bytes {
        let mut text = self.headers();
        let boundary = self.id;
        let _ = write!(
            text,
            "\r\n--{boundary}\r\nContent-Type: text/plain; charset=\"utf-8\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{}",
            self.explanation()
        );
        let _ = write!(
            text,
            "\r\n--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n{}",
            self.delivery_status()
        );
        let _ = write!(
            text,
            "\r\n--{boundary}\r\nContent-Type: text/rfc822-headers\r\n\r\n"
        );
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.original.to_bytes());
        bytes.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        bytes.into()
    }

    fn headers(&self) -> String {
        let subject = self.original.get("Subject").unwrap_or_default();
        let subject = match self.action {
            Action::Delayed => format!("Delivery delayed:{subject}"),
            Action::Failed => format!("Undeliverable: {subject}"),
        };
        let mut text = format!(
            "From: <{}>\r\nTo: <{}>\r\nDate: {}\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{}\"\r\nContent-Language: en-US\r\nMessage-ID: <{}@{}>\r\n",
            self.from, self.to, self.date, self.id, self.id, self.reporting
        );
        if let Some(id) = self.original.get("Message-ID") {
            let _ = write!(text, "In-Reply-To: {id}\r\nReferences: {id}\r\n");
        }
        let _ = write!(
            text,
            "Subject: {subject}\r\nAuto-Submitted: auto-replied\r\nX-MS-Exchange-Message-Is-Ndr:\r\n"
        );
        text
    }

    fn explanation(&self) -> String {
        let mut text = match self.action {
            Action::Delayed => "Delivery to these recipients or groups is delayed:\r\n".to_owned(),
            Action::Failed => "Delivery has failed to these recipients or groups:\r\n".to_owned(),
        };
        for each in self.recipients {
            let _ = write!(text, "\r\n{}\r\n", each.recipient);
        }
        let _ = write!(
            text,
            "\r\nDiagnostic information for administrators:\r\n\r\nGenerating server: {}\r\n",
            self.reporting
        );
        let mut receiving: Vec<&String> = self
            .recipients
            .iter()
            .filter_map(|each| each.at.as_ref())
            .collect();
        receiving.dedup();
        for at in receiving {
            let _ = write!(text, "Receiving server: {at}\r\n");
        }
        for each in self.recipients {
            let _ = write!(text, "\r\n{}\r\n{}", each.recipient, self.reasons(each));
        }
        text
    }

    /// The status, and below it what the last attempt met.
    fn reasons(&self, each: &ReportedRecipient) -> String {
        let host = match (&each.remote, &each.at, &each.last) {
            (_, Some(at), _) => format!("Remote Server at {at}"),
            (Some(host), None, _) => format!("Remote Server at {host}"),
            (None, None, Some(_)) => format!("Server at {}", self.reporting),
            (None, None, None) => "Remote Server".to_owned(),
        };
        match &each.last {
            Some(LastError { time, said, .. }) => format!(
                "{time} - {host} returned '{}'\r\n{time} - {host} returned '{said}'\r\n",
                each.status
            ),
            None => format!("{host} returned '{}'\r\n", each.status),
        }
    }

    /// The machine-readable part (RFC 3464 §2).
    fn delivery_status(&self) -> String {
        let mut text = format!(
            "Reporting-MTA: dns;{}\r\nArrival-Date: {}\r\n",
            self.reporting, self.arrived
        );
        for each in self.recipients {
            text.push_str("\r\n");
            if let Some(original) = &each.original {
                let _ = write!(text, "Original-Recipient: rfc822;{original}\r\n");
            }
            let _ = write!(
                text,
                "Final-Recipient: rfc822;{}\r\nAction: {}\r\nStatus: {}\r\nDiagnostic-Code: smtp;{}\r\n",
                each.recipient,
                self.action.as_str(),
                each.status.enhanced,
                each.status
            );
            if let Some(remote) = &each.remote {
                let _ = write!(text, "Remote-MTA: dns;{remote}\r\n");
            }
            if let (Action::Delayed, Some(last)) = (self.action, &each.last) {
                let _ = write!(text, "Will-Retry-Until: {}\r\n", last.until);
            }
        }
        text
    }
}

/// What a notification says of each recipient that failed: the address and the diagnostic code.
#[must_use]
pub fn read_report(message: &Bytes) -> Vec<(Mailbox, u16, EnhancedStatus)> {
    let text = String::from_utf8_lossy(message);
    let mut found = Vec::new();
    let mut recipient = None;
    for line in text.lines() {
        if let Some(address) = line.strip_prefix("Final-Recipient: rfc822;") {
            recipient = Mailbox::parse(address.trim()).ok();
        } else if line.trim_end() == "Action: delayed" {
            // It is on its way yet.
            recipient = None;
        } else if let Some(code) = line.strip_prefix("Diagnostic-Code: smtp;") {
            let mut words = code.trim().split(' ');
            let code = words.next().and_then(|word| word.parse().ok());
            let enhanced = words.next().and_then(|word| word.parse().ok());
            if let (Some(recipient), Some(code), Some(enhanced)) =
                (recipient.take(), code, enhanced)
            {
                found.push((recipient, code, enhanced));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_says_who_failed_and_why() {
        let mailbox = |text: &str| Mailbox::parse(text).expect("an address");
        let original =
            Bytes::from_static(b"Subject: hello\r\nMessage-ID: <1@contoso.com>\r\n\r\nbody");
        let recipients = [ReportedRecipient {
            recipient: mailbox("engineering@groups.contoso.com"),
            original: None,
            status: Status::new(
                550,
                (5, 7, 133),
                "RESOLVER.RST.SenderNotAuthenticatedForGroup",
            ),
            remote: Some("eop.mail.protection.outlook.com".to_owned()),
            at: None,
            last: None,
        }];
        let message = Notification {
            action: Action::Failed,
            from: &mailbox("postmaster@contoso.com"),
            to: &mailbox("david@contoso.com"),
            reporting: &Domain::parse("ex01.contoso.com").expect("a domain"),
            arrived: "Sun, 22 Nov 2026 00:00:00 +0000",
            date: "Sun, 22 Nov 2026 00:00:01 +0000",
            id: "b1",
            recipients: &recipients,
            original: &HeaderSection::split(&original).0,
        }
        .compose();
        let (headers, body) = HeaderSection::split(&message);
        assert_eq!(
            headers.get("Subject").as_deref(),
            Some("Undeliverable: hello")
        );
        assert_eq!(
            headers.get("In-Reply-To").as_deref(),
            Some("<1@contoso.com>")
        );
        let body = String::from_utf8(body.to_vec()).expect("text");
        assert_eq!(body.matches("--b1\r\n").count(), 3);
        assert!(body.ends_with("--b1--\r\n") && body.contains("Remote-MTA: dns;eop.mail"));
        let report = read_report(&message);
        assert_eq!(
            report,
            [(
                mailbox("engineering@groups.contoso.com"),
                550,
                EnhancedStatus::new(5, 7, 133)
            )]
        );
    }
}
