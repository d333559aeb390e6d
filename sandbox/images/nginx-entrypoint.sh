#!/bin/sh
# Fills templates from the environment as the official image does, then serves.
set -eu
mkdir -p /tmp/nginx/conf.d
names=$(env | sed -n 's/^\([A-Z_][A-Z0-9_]*\)=.*/${\1}/p' | tr '\n' ' ')
for template in /etc/nginx/templates/*.template; do
  [ -e "$template" ] || continue
  envsubst "$names" <"$template" >"/tmp/nginx/conf.d/$(basename "$template" .template)"
done
cat >/tmp/nginx/nginx.conf <<'CONF'
worker_processes 1;
daemon off;
pid /tmp/nginx/pid;
error_log /dev/stderr notice;
events { worker_connections 512; }
http {
  client_body_temp_path /tmp/nginx/body;
  proxy_temp_path /tmp/nginx/proxy;
  fastcgi_temp_path /tmp/nginx/fastcgi;
  uwsgi_temp_path /tmp/nginx/uwsgi;
  scgi_temp_path /tmp/nginx/scgi;
  access_log /dev/stdout;
  include /tmp/nginx/conf.d/*;
}
CONF
exec nginx -c /tmp/nginx/nginx.conf
