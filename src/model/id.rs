//! Typed indexes into a [`Topology`](super::Topology): what one object says of another.

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(u32);

        impl $name {
            /// The id of the object at this position of its list.
            ///
            /// # Panics
            /// When there are more than four thousand million objects.
            #[must_use]
            pub fn new(index: usize) -> Self {
                Self(u32::try_from(index).expect("fewer than 2^32 objects of a kind"))
            }

            /// The position in its list.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }
    )*};
}

id! {
    /// An organization.
    OrganizationId;
    /// A server.
    ServerId;
    /// An accepted domain.
    AcceptedDomainId;
    /// A Receive connector, or the cloud's inbound connector.
    ReceiveConnectorId;
    /// A Send connector, or the cloud's outbound connector.
    SendConnectorId;
    /// A recipient object.
    RecipientId;
    /// An address that some recipient holds; not every number up to the greatest is one.
    AddressId;
    /// A certificate.
    CertificateId;
    /// A mail-flow rule.
    RuleId;
}
