package config

const groupTLS = "TLS"

// tlsOptions returns the rows of the table for TLS.
func tlsOptions() []Option {
	return []Option{
		{
			Name: "ws_tls_cert", Group: groupTLS, Default: "",
			Usage: "this PEM file has the certificate of the port for subscribers; without it there is no TLS",
			field: func(c *Config) any { return &c.WSTLSCert }, paths: wholly, form: "a file's name",
		},
		{
			Name: "ws_tls_key", Group: groupTLS, Default: "",
			Usage: "this PEM file has the private key of ws_tls_cert",
			field: func(c *Config) any { return &c.WSTLSKey }, paths: wholly, form: "a file's name",
		},
		{
			Name: "api_tls_cert", Group: groupTLS, Default: "",
			Usage: "this PEM file has the API's certificate; without it there is no TLS",
			field: func(c *Config) any { return &c.APITLSCert }, paths: wholly, form: "a file's name",
		},
		{
			Name: "api_tls_key", Group: groupTLS, Default: "",
			Usage: "this PEM file has the private key of api_tls_cert",
			field: func(c *Config) any { return &c.APITLSKey }, paths: wholly, form: "a file's name",
		},
		{
			Name: "api_client_ca", Group: groupTLS, Default: "",
			Usage: "clients of the API must have a certificate from an authority in this PEM file",
			field: func(c *Config) any { return &c.APIClientCA }, paths: wholly, form: "a file's name",
		},
		{
			Name: "acme_domains", Group: groupTLS, Default: "",
			Usage: "the server obtains certificates for these names of the port for subscribers, with commas between them",
			field: func(c *Config) any { return &c.ACMEDomains }, form: domainForm, check: checkDomains,
		},
		{
			Name: "acme_cache", Group: groupTLS, Default: "",
			Usage: "the server keeps the obtained certificates and their keys in this directory",
			field: func(c *Config) any { return &c.ACMECache }, paths: wholly, form: "a directory's name",
		},
		{
			Name: "acme_email", Group: groupTLS, Default: "",
			Usage: "the certificate authority can reach you at this address",
			field: func(c *Config) any { return &c.ACMEEmail }, form: "an e-mail address", check: checkEmail,
		},
		{
			Name: "acme_directory", Group: groupTLS, Default: "",
			Usage: "certificates come from the authority with this ACME directory; empty means Let's Encrypt",
			field: func(c *Config) any { return &c.ACMEDirectory }, form: "https://URL (empty means Let's Encrypt)", check: checkDirectory,
		},
		{
			Name: "acme_ca", Group: groupTLS, Default: "",
			Usage: "this PEM file has the authorities for the ACME directory's own certificate, in place of the system's",
			field: func(c *Config) any { return &c.ACMECA }, paths: wholly, form: "a file's name",
		},
	}
}
