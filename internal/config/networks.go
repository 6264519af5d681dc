package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

const networksForm = "addresses and networks such as 192.0.2.7 and 10.0.0.0/8, separated by commas (empty means none)"

// Trusted returns the networks of the proxies whose statements about client addresses are trusted.
func (c Config) Trusted() []netip.Prefix { return networks(c.TrustedProxies) }

// Unlimited returns the networks whose addresses have no limits.
func (c Config) Unlimited() []netip.Prefix { return networks(c.UnlimitedAddresses) }

// networks parses a list that checkNetworks has accepted.
func networks(list string) []netip.Prefix {
	found, err := parseNetworks(list)
	if err != nil {
		panic("config: " + err.Error()) // the Config is not from Load or Default
	}
	return found
}

func checkNetworks(list string) error {
	_, err := parseNetworks(list)
	return err
}

func parseNetworks(list string) ([]netip.Prefix, error) {
	if strings.Trim(list, " ") == "" {
		return nil, nil
	}
	var found []netip.Prefix
	for entry := range strings.SplitSeq(list, ",") {
		network, err := parseNetwork(strings.Trim(entry, " "))
		if err != nil {
			return nil, err
		}
		found = append(found, network)
	}
	return found, nil
}

func parseNetwork(entry string) (netip.Prefix, error) {
	if entry == "" {
		return netip.Prefix{}, errors.New("an entry is empty: remove the extra comma")
	}
	network, err := netip.ParsePrefix(entry)
	if address, single := netip.ParseAddr(entry); single == nil && address.Zone() == "" {
		network, err = netip.PrefixFrom(address, address.BitLen()), nil
	}
	switch {
	case err != nil:
		return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a network", entry)
	case network.Addr().Is4In6(): // addresses of clients are never in this form
		return netip.Prefix{}, fmt.Errorf("%q: write it as IPv4", entry)
	case network != network.Masked():
		return netip.Prefix{}, fmt.Errorf("%q has bits set after its prefix: write %s or %s", entry, network.Masked(), network.Addr())
	}
	return network, nil
}
