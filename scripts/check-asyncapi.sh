#!/usr/bin/env bash
# schemas/topics/asyncapi.yaml by AsyncAPI's own parser, which knows the specification and the bindings of Kafka. Needs Node
# (20 or later) and npm; without them it says so and ends well, because the tests check the rest. Keeps the parser in build/.
set -euo pipefail
cd "$(dirname "$0")/.."
version=3.6.3
place=build/asyncapi-$version

node_major() { node --version 2>/dev/null | sed -n 's/^v\([0-9]*\).*/\1/p'; }

if ! command -v npm >/dev/null || [ "$(node_major)" -lt 20 ]; then
    echo 'asyncapi: not checked, there is no Node 20 with npm'
    exit 0
fi
if [ ! -e "$place/.stamp" ]; then
    mkdir -p "$place"
    npm install --prefix "$place" --no-save --no-audit --no-fund --ignore-scripts --silent "@asyncapi/parser@$version"
    touch "$place/.stamp"
fi
NODE_PATH=$place/node_modules exec node -e '
const { Parser, fromFile } = require("@asyncapi/parser");
const latest = "asyncapi-latest-version"; // that there is a newer one is no fault
fromFile(new Parser(), process.argv[1]).parse().then(({ document, diagnostics }) => {
    const faults = diagnostics.filter((d) => d.code !== latest);
    for (const d of faults)
        console.error(`${process.argv[1]}:${d.range.start.line + 1}: ${d.message} (${d.path.join(".")})`);
    if (faults.length > 0 || !document)
        process.exit(1);
    console.log(`asyncapi: ${document.channels().length} channels, ${document.allMessages().length} messages`);
});' schemas/topics/asyncapi.yaml
