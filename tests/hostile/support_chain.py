"""How nginx and HAProxy stand in front of the server, and how their logs are read."""
import re

NGINX = """
@USER@
daemon off; worker_processes 1; pid @DIR@/nginx.pid; error_log @DIR@/error.log;
events { worker_connections 512; }
http {
    log_format chain '$request_id $remote_port $upstream_addr $request_method $upstream_status $upstream_http_x_correlation_id $uri';
    access_log @DIR@/access.log chain;
    client_body_temp_path @DIR@/body; proxy_temp_path @DIR@/proxy; fastcgi_temp_path @DIR@/f;
    uwsgi_temp_path @DIR@/u; scgi_temp_path @DIR@/s;
    underscores_in_headers on; ignore_invalid_headers off; merge_slashes off;
    large_client_header_buffers 8 32k; client_max_body_size 0;
    upstream huntaze { server 127.0.0.1:@SERVER@; keepalive 8; }
    server {
        listen 127.0.0.1:@PORT@;
        location / {
            proxy_pass http://huntaze; proxy_http_version 1.1; proxy_request_buffering off;
            proxy_next_upstream off; proxy_ignore_client_abort on;
            proxy_set_header Host $http_host; proxy_set_header Connection "";
            proxy_set_header X-Correlation-ID $request_id;
        }
    }
}
"""

HAPROXY = """
global
    log stdout format raw daemon
    tune.bufsize 65536
defaults
    mode http
    log global
    timeout connect 5s
    timeout client 5s
    timeout server 15s
    timeout http-request 5s
    retries 0
    unique-id-format %[uuid()]
    unique-id-header X-Correlation-ID
    log-format "chain %ID %cp %HM %ST %[capture.res.hdr(0)] %s %HP"
frontend in
    bind 127.0.0.1:@PORT@
    capture response header X-Correlation-ID len 64
    default_backend out
backend out
    http-reuse always
    server huntaze 127.0.0.1:@SERVER@
"""


def unescaped(text):
    """HAProxy writes some bytes as # and two hexadecimal digits."""
    return re.sub("#([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), text)


def front_lines(name, folder):
    """What the front sent on: the id that it gave, the client's port, the method, the status and the id of
    the answer that it got ("-" without one), the path."""
    found = []
    if name == "nginx":
        for line in (folder / "access.log").read_text(errors="replace").splitlines():
            identity, port, to, method, status, answered, path = line.split(" ", 6)
            if to != "-":
                found.append({"id": identity, "port": int(port), "method": method, "status": status,
                              "answered": answered, "path": path})
        return found
    for line in (folder / "front.log").read_text(errors="replace").splitlines():
        if not line.startswith("chain "):
            continue
        _, identity, port, method, status, answered, to, path = line.split(" ", 7)
        if to == "huntaze":
            found.append({"id": identity, "port": int(port), "method": unescaped(method),
                          "status": "-" if status == "-1" else status, "answered": answered, "path": path})
    return found
