package config

const groupTLS = "TLS"

// tlsOptions is the part of the table that is about TLS.
func tlsOptions() []Option {
	return []Option{
		{
			Name: "ws_tls_cert", Group: groupTLS, Default: "",
			Usage: "PEM file with the certificate of the port for subscribers; without one there is no TLS",
			field: func(c *Config) any { return &c.WSTLSCert }, form: "a file's name",
		},
		{
			Name: "ws_tls_key", Group: groupTLS, Default: "",
			Usage: "PEM file with its private key",
			field: func(c *Config) any { return &c.WSTLSKey }, form: "a file's name",
		},
		{
			Name: "api_tls_cert", Group: groupTLS, Default: "",
			Usage: "PEM file with the API's certificate; without one there is no TLS",
			field: func(c *Config) any { return &c.APITLSCert }, form: "a file's name",
		},
		{
			Name: "api_tls_key", Group: groupTLS, Default: "",
			Usage: "PEM file with its private key",
			field: func(c *Config) any { return &c.APITLSKey }, form: "a file's name",
		},
		{
			Name: "api_client_ca", Group: groupTLS, Default: "",
			Usage: "PEM file with the authorities whose certificates clients of the API must have",
			field: func(c *Config) any { return &c.APIClientCA }, form: "a file's name",
		},
		{
			Name: "acme_domains", Group: groupTLS, Default: "",
			Usage: "names for which the port for subscribers gets certificates by itself, with commas",
			field: func(c *Config) any { return &c.ACMEDomains }, form: domainForm, check: checkDomains,
		},
		{
			Name: "acme_cache", Group: groupTLS, Default: "",
			Usage: "directory where those are kept, with their keys",
			field: func(c *Config) any { return &c.ACMECache }, form: "a directory's name",
		},
		{
			Name: "acme_email", Group: groupTLS, Default: "",
			Usage: "where the authority can reach you",
			field: func(c *Config) any { return &c.ACMEEmail }, form: "an e-mail address", check: checkEmail,
		},
		{
			Name: "acme_directory", Group: groupTLS, Default: "",
			Usage: "the authority's ACME directory; empty means Let's Encrypt",
			field: func(c *Config) any { return &c.ACMEDirectory }, form: "https://URL (empty means Let's Encrypt)", check: checkDirectory,
		},
		{
			Name: "acme_ca", Group: groupTLS, Default: "",
			Usage: "PEM file with the authorities for the directory's own certificate, in place of the system's",
			field: func(c *Config) any { return &c.ACMECA }, form: "a file's name",
		},
	}
}
