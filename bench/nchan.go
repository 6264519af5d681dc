package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"text/template"
)

const (
	nchanModule  = "/usr/lib/nginx/modules/ngx_nchan_module.so"
	nchanInstall = "nchan is not installed; on Debian: apt-get install nginx libnginx-mod-nchan"
)

// nchanConfig configures nginx for many connections as its manual advises: one worker for the one
// core, no access log, and connections that are kept open. Three settings make the comparison fair:
//
//   - No messages are kept (nchan_message_buffer_length 0), because no client here asks for old
//     messages, and keeping them would only cost nchan time.
//   - Request bodies stay in memory (client_body_buffer_size), as in all other contenders.
//   - Publishers' connections never end. By default nginx closes them after 1,000 requests.
var nchanConfig = template.Must(template.New("nginx.conf").Parse(`load_module {{.Module}};
daemon off;
worker_processes 1;
worker_rlimit_nofile {{.Files}};
pid {{.Dir}}/nginx.pid;
error_log {{.Dir}}/error.log warn;

events {
	worker_connections {{.Connections}};
}

http {
	access_log off;
	client_body_buffer_size 64k;
	keepalive_timeout 1h;
	keepalive_requests 1000000000;
	client_body_temp_path {{.Dir}}/body;
	proxy_temp_path {{.Dir}}/proxy;
	fastcgi_temp_path {{.Dir}}/fastcgi;
	uwsgi_temp_path {{.Dir}}/uwsgi;
	scgi_temp_path {{.Dir}}/scgi;

	server {
		listen 127.0.0.1:{{.Port}} backlog=4096;

		location ~ ^/pub/(.+)$ {
			nchan_publisher;
			nchan_channel_id $1;
			nchan_message_buffer_length 0;
		}
		location ~ ^/sub/(.+)$ {
			nchan_subscriber websocket;
			nchan_channel_id $1;
			nchan_channel_id_split_delimiter ",";
			nchan_subscriber_first_message newest;
		}
	}
}
`))

func findNchan(context.Context, *workshop) (string, error) {
	program, err := exec.LookPath("nginx")
	if err != nil { // root's PATH contains it, other users' often not
		program, err = exec.LookPath("/usr/sbin/nginx")
	}
	if err != nil {
		return "", errMissing{nchanInstall}
	}
	if _, err := os.Stat(nchanModule); errors.Is(err, fs.ErrNotExist) {
		return "", errMissing{nchanInstall}
	}
	return program, nil
}

func nchanCommand(program, dir string, p ports) ([]string, error) {
	files, err := allowedFiles()
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	err = nchanConfig.Execute(&text, map[string]any{
		"Module":      nchanModule,
		"Files":       files,
		"Connections": files - reservedFiles,
		"Dir":         dir,
		"Port":        p.ws,
	})
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, text.Bytes(), 0o600); err != nil {
		return nil, err
	}
	return []string{program, "-c", config, "-p", dir, "-e", filepath.Join(dir, "error.log")}, nil
}
