# Sourced by the demo's scripts, after dev/env.sh.
# shellcheck shell=bash

SERVER=pmm-ai-chat-demo${SERVER_SUFFIX:-}
INVENTORY=(--inventory "$ROOT/dev/server/inventory" --inventory "$ROOT/dev/demo/inventory")
export DEMO_HTTP_PORT=${DEMO_HTTP_PORT:-8080} DEMO_HTTPS_PORT=${DEMO_HTTPS_PORT:-8443}
