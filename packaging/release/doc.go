// Release makes the files of a release of Boreas from one commit: `make release VERSION=2.0.0`.
//
// # What a release is
//
// One version, such as 2.0.0, for all parts. The files in dist/ are:
//
//   - boreas_VERSION_SYSTEM_ARCH.tar.gz (.zip for Windows): the static program, LICENSE, README.md, the
//     manual page, and completions for bash, zsh, fish and PowerShell. For Linux also the unit for
//     systemd and a commented boreas.toml.
//   - boreas_VERSION_ARCH.deb, .rpm and .apk: packages with the service.
//   - boreas_VERSION_image.tar: the container image for amd64 and arm64, as an OCI layout.
//   - boreas-VERSION.tgz: the Helm chart.
//   - the npm package, and the wheel and sdist for Python.
//   - boreas_VERSION_sbom.cdx.json: the modules in the program, in the format CycloneDX.
//   - release-notes.md: the section of the version in CHANGELOG.md.
//   - SHA256SUMS: the digests of all other files. A maintainer signs it; see docs/release.md.
//
// # Why two builds give the same bytes
//
// Everything in the files comes from the commit, the version and the tools:
//
//   - The program is built with -trimpath and -buildvcs=false, so that it contains neither the folder of
//     the clone nor its tags, and without a C compiler. The version is set by the linker.
//   - All times are the time of the commit, or SOURCE_DATE_EPOCH if that is set.
//   - Archives list their entries in a fixed order. Each has the owner root, and the mode 0755 for
//     programs and folders or 0644 for files, whatever the umask of the builder is.
//   - No file contains the name of the builder's machine or user. The build host of an rpm is "boreas".
//   - The tree must be clean: a file that is not in the commit could change the result.
//
// The tools are the rest: the same version of Go, and of npm and hatchling for the two clients.
// packaging/release/go.sum pins the libraries that write the packages.
package main
