//! What a message is: addresses, sizes, statuses and the organization headers that routing reads.
//!
//! Not here: the protocol that carries a message (`smtp`), and any server that handles it.
//! Values go in as text and come out as text; `parse` and `Display` are inverses.
//!
//! Invariant: a [`Domain`] is in A-label form, lower case, without a final dot.
//! Invariant: two [`Mailbox`] values are equal when Exchange would call them the same address.
//!
//! Sources: RFC 5321 (paths), RFC 5890 (A-labels), RFC 3463 (enhanced statuses), Exchange Server,
//! "Header firewall".

mod address;
mod dsn;
mod header;
mod kind;
mod size;
mod status;

pub use address::{AddressError, Domain, LocalPart, Mailbox, NamePattern, ReversePath};
pub use dsn::{Action, LastError, Notification, ReportedRecipient, read_report};
pub use header::{
    AuthAs, CROSS_PREMISES_PREFIX, Directionality, FOREST_PREFIX, HeaderSection,
    ORGANIZATION_PREFIX, received_by,
};
pub use kind::MessageKind;
pub use size::{ByteSize, Limit, SizeError};
pub use status::{EnhancedStatus, Explanation, Status, explain, explanations};
