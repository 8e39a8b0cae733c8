//! Which IP addresses belong to the public internet, and so may be dialled for a link from outside.
//!
//! Pure. The table follows IANA's special-purpose registries (RFC 6890 and its updates); what is not
//! plainly public is refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks that are not public: first address and prefix length.
const V4_REFUSED: [(Ipv4Addr, u32); 16] = [
    (Ipv4Addr::UNSPECIFIED, 8),           // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),      // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),   // carrier-grade NAT
    (Ipv4Addr::new(127, 0, 0, 0), 8),     // loopback
    (Ipv4Addr::new(169, 254, 0, 0), 16),  // link-local, cloud metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12),   // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),    // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),    // documentation
    (Ipv4Addr::new(192, 88, 99, 0), 24),  // 6to4 relays, withdrawn
    (Ipv4Addr::new(192, 168, 0, 0), 16),  // private
    (Ipv4Addr::new(198, 18, 0, 0), 15),   // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24), // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),  // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),     // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),     // reserved
    (Ipv4Addr::BROADCAST, 32),
];

/// Inside 2000::/3, the only block handed out as public, these networks are not public all the same.
const V6_REFUSED: [(Ipv6Addr, u32); 3] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments, Teredo among them
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Whether the address is reachable by anyone and nobody's inside. An IPv6 address that carries an IPv4
/// address (mapped, compatible, NAT64, 6to4) is judged by that.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => embedded_v4(address).map_or_else(|| is_public_v6(address), is_public_v4),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !V4_REFUSED.iter().any(|(network, prefix)| {
        let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
        address.to_bits() & mask == network.to_bits()
    })
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let within = |network: Ipv6Addr, prefix: u32| {
        let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
        address.to_bits() & mask == network.to_bits()
    };
    within(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3)
        && !V6_REFUSED.iter().any(|(network, prefix)| within(*network, *prefix))
}

/// The IPv4 address a packet to this IPv6 address would end at.
///
/// 64:ff9b:1::/48 is for local translators of any prefix length, so the place of the IPv4 address in it is
/// unknown: only its all-zero /96, which reads the same way whatever the length, is taken for one.
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let join = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low]
        | [0x64, 0xff9b, 0 | 1, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => Some(join(high, low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn public(address: &str) -> bool {
        is_public(address.parse().expect(address))
    }

    #[test]
    fn the_first_and_last_address_of_every_refused_ipv4_network_is_refused_and_its_neighbours_are_not() {
        // first, last, the neighbours below and above where those are public
        let table = [
            ("0.0.0.0", "0.255.255.255", None, Some("1.0.0.0")),
            ("10.0.0.0", "10.255.255.255", Some("9.255.255.255"), Some("11.0.0.0")),
            ("100.64.0.0", "100.127.255.255", Some("100.63.255.255"), Some("100.128.0.0")),
            ("127.0.0.0", "127.255.255.255", Some("126.255.255.255"), Some("128.0.0.0")),
            ("169.254.0.0", "169.254.255.255", Some("169.253.255.255"), Some("169.255.0.0")),
            ("172.16.0.0", "172.31.255.255", Some("172.15.255.255"), Some("172.32.0.0")),
            ("192.0.0.0", "192.0.0.255", Some("191.255.255.255"), Some("192.0.1.0")),
            ("192.0.2.0", "192.0.2.255", Some("192.0.1.255"), Some("192.0.3.0")),
            ("192.88.99.0", "192.88.99.255", Some("192.88.98.255"), Some("192.88.100.0")),
            ("192.168.0.0", "192.168.255.255", Some("192.167.255.255"), Some("192.169.0.0")),
            ("198.18.0.0", "198.19.255.255", Some("198.17.255.255"), Some("198.20.0.0")),
            ("198.51.100.0", "198.51.100.255", Some("198.51.99.255"), Some("198.51.101.0")),
            ("203.0.113.0", "203.0.113.255", Some("203.0.112.255"), Some("203.0.114.0")),
            ("224.0.0.0", "239.255.255.255", Some("223.255.255.255"), None),
            ("240.0.0.0", "255.255.255.255", None, None),
        ];
        for (first, last, below, above) in table {
            assert!(!public(first), "{first}");
            assert!(!public(last), "{last}");
            for neighbour in [below, above].into_iter().flatten() {
                assert!(public(neighbour), "{neighbour}");
            }
        }
    }

    #[test]
    fn ipv6_addresses_that_are_not_public_are_refused() {
        for address in [
            "::",
            "::1",
            "100::",
            "100::ffff",
            "100:0:0:1::1",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "feff::1",
            "ff02::1",
            "ff0e::1",
            "2001::1",
            "2001:0:ffff::1",
            "2001:10::1",
            "2001:20::1",
            "2001:db8::1",
            "2001:db8:ffff::1",
            "3fff::1",
            "3fff:fff::1",
            "4000::1",
            "5f00::1",
            "1fff::1",
            "64:ff9b:1:1::808:808",
            "64:ff9b:1:a00:0:100:808:808",
            "64:ff9b:2::808:808",
        ] {
            assert!(!public(address), "{address}");
        }
    }

    #[test]
    fn public_ipv6_addresses_are_let_through() {
        for address in ["2606:4700::6810:84e5", "2001:4860:4860::8888", "2a00:1450::1", "2001:200::1"] {
            assert!(public(address), "{address}");
        }
    }

    proptest! {
        #[test]
        fn an_embedded_ipv4_address_decides(bits: u32) {
            let [a, b, c, d] = bits.to_be_bytes();
            let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let expected = is_public(Ipv4Addr::from_bits(bits).into());
            for segments in [
                [0, 0, 0, 0, 0, 0, high, low],
                [0, 0, 0, 0, 0, 0xffff, high, low],
                [0x64, 0xff9b, 0, 0, 0, 0, high, low],
                [0x64, 0xff9b, 1, 0, 0, 0, high, low],
                [0x2002, high, low, 0, 0, 0, 0, 1],
            ] {
                prop_assert_eq!(is_public(Ipv6Addr::from(segments).into()), expected);
            }
        }

        #[test]
        fn what_the_standard_library_calls_inside_is_never_public(bits: u32) {
            let address = Ipv4Addr::from_bits(bits);
            let inside = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_multicast() || address.is_documentation() || address.is_unspecified();
            prop_assert!(!(inside && is_public(address.into())));
        }

        #[test]
        fn ipv6_outside_the_public_block_is_refused_unless_it_carries_ipv4(bits: u128) {
            let address = Ipv6Addr::from_bits(bits);
            if address.segments()[0] >> 13 != 1 && embedded_v4(address).is_none() {
                prop_assert!(!is_public(address.into()));
            }
        }
    }
}
