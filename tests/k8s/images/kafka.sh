#!/bin/sh
# As the entry point of apache/kafka: KAFKA_A_B=v is a.b=v in server.properties, and the log folder is formatted when it is new.
set -eu
properties=/opt/kafka/config/server.properties
env | awk '/^KAFKA_/ && !/^KAFKA_HEAP_OPTS=/ {
    at = index($0, "="); name = tolower(substr($0, 7, at - 7)); gsub("_", ".", name); print name "=" substr($0, at + 1) }' >"$properties"
java -Xmx128m -cp '/opt/kafka/libs/*' kafka.tools.StorageTool format --ignore-formatted -t "$CLUSTER_ID" -c "$properties"
# shellcheck disable=SC2086
exec java $KAFKA_HEAP_OPTS -XX:+ExitOnOutOfMemoryError -Dkafka.logs.dir=/opt/kafka/logs \
    -Dlog4j2.configurationFile=/etc/kafka/docker/log4j2.properties -cp '/opt/kafka/libs/*' kafka.Kafka "$properties"
