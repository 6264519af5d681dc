package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/apk"
	_ "github.com/goreleaser/nfpm/v2/deb"
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm"
	"golang.org/x/mod/semver"
)

const (
	maintainer  = "The Boreas authors <boreas@users.noreply.github.com>"
	homepage    = "https://github.com/boreas-pubsub/boreas"
	summary     = "real-time pub/sub server for browsers, devices and backends"
	description = `Boreas is one static program. Backends publish JSON over HTTP, and clients
receive it over WebSocket or server-sent events. A client that was
disconnected receives the messages that it missed.`
)

// packages writes the packages of each Linux target.
func packages(_ context.Context, r *release) error {
	var jobs []func() error
	for _, t := range r.targets {
		for _, format := range []string{"deb", "rpm", "apk"} {
			if t.system == "linux" {
				jobs = append(jobs, func() error { return r.pack(t, format) })
			}
		}
	}
	return together(jobs)
}

// pack writes one package.
func (r *release) pack(t target, format string) error {
	parts, err := os.MkdirTemp(r.work, "package-")
	if err != nil {
		return err
	}
	packager, err := nfpm.Get(format)
	if err != nil {
		return err
	}
	contents, err := r.contents(t, format, parts)
	if err != nil {
		return err
	}
	scripts, err := r.scripts(format, parts)
	if err != nil {
		return err
	}
	arch := t.arch
	if arch == "arm" {
		arch = "arm7"
	}
	number, prerelease, _ := strings.Cut(r.version, "-")
	info := nfpm.WithDefaults(&nfpm.Info{
		Name: "boreas", Arch: arch, Platform: "linux",
		Version: number, Prerelease: prerelease, VersionSchema: "none",
		Section: "net", Priority: "optional",
		Maintainer: maintainer, Description: summary + "\n" + description, Homepage: homepage, License: "Apache-2.0", Vendor: "Boreas",
		MTime: r.time, DisableGlobbing: true,
	})
	info.Overridables = nfpm.Overridables{
		Contents: contents,
		Deb:      nfpm.Deb{Compression: "xz"},
		RPM:      nfpm.RPM{Compression: "zstd", BuildHost: "boreas", Summary: summary, Packager: maintainer},
	}
	info.Scripts = scripts.Scripts
	info.APK.Scripts = scripts.APK.Scripts
	switch format {
	case "deb":
		info.Depends = []string{"passwd"}
		info.Recommends = []string{"ca-certificates"}
	case "rpm":
		info.Release = "1"
		info.Description = description
		info.Depends = []string{"/usr/sbin/useradd"}
		info.Recommends = []string{"ca-certificates"}
	case "apk":
		info.Description = summary
		info.Prerelease = strings.NewReplacer(".", "", "-", "").Replace(prerelease) // rc.1 is _rc1
	}
	if err := nfpm.PrepareForPackager(info, format); err != nil {
		return err
	}
	return r.file(fmt.Sprintf("boreas_%s_%s.%s", r.version, strings.TrimPrefix(t.name(), "linux_"), format), func(w io.Writer) error {
		return packager.Package(info, w)
	})
}

// contents returns the files of a package.
func (r *release) contents(t target, format, parts string) (files.Contents, error) {
	var list files.Contents
	add := func(destination, source string, mode os.FileMode) {
		list = append(list, &files.Content{
			Source: source, Destination: destination,
			FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: r.time},
		})
	}
	packaging := filepath.Join(r.tree, "packaging")
	add("/usr/bin/boreas", r.path(t), 0o755)
	add("/etc/boreas/boreas.toml", filepath.Join(packaging, "boreas.toml"), 0o640)
	list[len(list)-1].Type = files.TypeConfigNoReplace
	add("/usr/share/bash-completion/completions/boreas", r.document("boreas.bash"), 0o644)
	add("/usr/share/fish/vendor_completions.d/boreas.fish", r.document("boreas.fish"), 0o644)
	zsh := "/usr/share/zsh/site-functions/_boreas"
	if format == "deb" {
		zsh = "/usr/share/zsh/vendor-completions/_boreas"
	}
	add(zsh, r.document("_boreas"), 0o644)
	if format == "apk" {
		add("/etc/init.d/boreas", filepath.Join(packaging, "openrc", "boreas"), 0o755)
	} else {
		add("/usr/lib/systemd/system/boreas.service", filepath.Join(packaging, "systemd", "boreas.service"), 0o644)
		add("/usr/share/doc/boreas/examples/boreas.socket", filepath.Join(packaging, "systemd", "boreas.socket"), 0o644)
	}
	texts := map[string]string{"/usr/share/man/man1/boreas.1.gz": r.document("boreas.1")}
	switch format {
	case "deb":
		for destination, content := range map[string]string{
			"/usr/share/doc/boreas/copyright":     fmt.Sprintf(copyright, r.time.Year()),
			"/usr/share/lintian/overrides/boreas": lintianOverrides,
		} {
			source, err := r.text(parts, filepath.Base(destination)+".deb", content)
			if err != nil {
				return nil, err
			}
			add(destination, source, 0o644)
		}
		source, err := r.text(parts, "changelog.deb", r.debianChangelog())
		if err != nil {
			return nil, err
		}
		texts["/usr/share/doc/boreas/changelog.gz"] = source
		texts["/usr/share/doc/boreas/licenses.txt.gz"] = r.document("licenses.txt")
	default:
		add("/usr/share/licenses/boreas/LICENSE", filepath.Join(r.tree, "LICENSE"), 0o644)
	}
	for destination, source := range texts {
		zipped, err := r.zipped(parts, source)
		if err != nil {
			return nil, err
		}
		add(destination, zipped, 0o644)
	}
	return list, nil
}

// text writes a small file into a folder and returns its path. The file has the time of the release,
// because an apk contains the times of scripts.
func (r *release) text(folder, name, content string) (string, error) {
	file := filepath.Join(folder, name)
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		return "", err
	}
	return file, os.Chtimes(file, r.time, r.time)
}

// zipped compresses a file into a folder and returns its path.
func (r *release) zipped(folder, source string) (string, error) {
	content, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return "", err
	}
	if _, err := w.Write(content); err != nil {
		return "", err
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	return r.text(folder, filepath.Base(source)+".gz", b.String())
}

// scripts returns the scripts of a package. The scripts that need the user begin with user.sh.
func (r *release) scripts(format, parts string) (nfpm.Overridables, error) {
	folder := filepath.Join(r.tree, "packaging", "scripts")
	var o nfpm.Overridables
	for name, field := range map[string]*string{
		"deb.postinst": &o.Scripts.PostInstall, "deb.prerm": &o.Scripts.PreRemove, "deb.postrm": &o.Scripts.PostRemove,
		"rpm.pre": &o.Scripts.PreInstall, "rpm.post": &o.Scripts.PostInstall, "rpm.preun": &o.Scripts.PreRemove, "rpm.postun": &o.Scripts.PostRemove,
		"apk.pre-install": &o.Scripts.PreInstall, "apk.post-install": &o.Scripts.PostInstall, "apk.post-upgrade": &o.APK.Scripts.PostUpgrade,
	} {
		if !strings.HasPrefix(name, format+".") {
			continue
		}
		script, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return o, err
		}
		if !strings.HasPrefix(string(script), "#!") {
			first, err := os.ReadFile(filepath.Join(folder, "user.sh"))
			if err != nil {
				return o, err
			}
			script = append(append(first, '\n'), script...)
		}
		if *field, err = r.text(parts, name, string(script)); err != nil {
			return o, err
		}
	}
	return o, nil
}

// debianVersion is the version as Debian writes it. A tilde sorts a pre-release before its release.
func (r *release) debianVersion() string { return strings.Replace(r.version, "-", "~", 1) }

// debianChangelog has one entry, which names the notes of the release.
func (r *release) debianChangelog() string {
	distribution := "stable"
	if semver.Prerelease("v"+r.version) != "" {
		distribution = "unstable"
	}
	return fmt.Sprintf("boreas (%s) %s; urgency=medium\n\n  * Boreas %s. Changes:\n    %s/releases/tag/v%s\n\n -- %s  %s\n",
		r.debianVersion(), distribution, r.version, homepage, r.version, maintainer, r.time.Format("Mon, 02 Jan 2006 15:04:05 -0700"))
}

const copyright = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: boreas
Source: https://github.com/boreas-pubsub/boreas
Comment: The program contains libraries. Their licences are in
 /usr/share/doc/boreas/licenses.txt.gz, and "boreas licenses" prints them.

Files: *
Copyright: %d The Boreas authors
License: Apache-2.0
 On Debian systems, the text of the Apache License, version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
`

const lintianOverrides = `# A Go program without cgo has no shared libraries.
boreas: statically-linked-binary [usr/bin/boreas]
# It may contain secrets.
boreas: non-standard-file-perm 0640 != 0644 [etc/boreas/boreas.toml]
`
