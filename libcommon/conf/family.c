#include "kmd_conf_int.h"

#include <string.h>
#include <strings.h>

#define MIB (INT64_C(1) << 20)
#define GIB (INT64_C(1) << 30)
#define TIB (INT64_C(1) << 40)
#define MS INT64_C(1000000)
#define SEC (1000 * MS)
#define HOUR (3600 * SEC)
#define DAY (24 * HOUR)
#define INGEST KMD_WHO_INGEST
#define ENRICHER KMD_WHO_ENRICHER
#define SINK KMD_WHO_SINK
#define BOTH (KMD_WHO_INGEST | KMD_WHO_ENRICHER)
#define ALL KMD_WHO_ALL

/* Rows in the order of --help and docs/settings.md. */
const struct kmd_conf_key kmd_conf_family[] = {
    {"KALSHI_WS_URL", KMD_CONF_STR, INGEST, "wss://external-api-ws.kalshi.com/trade-api/ws/v2", 0, 0,
	"WebSocket of the exchange; ws:// only to loopback, unless KMD_ALLOW_PLAINTEXT=true", NULL},
    {"KALSHI_REST_BASE_URL", KMD_CONF_STR, ENRICHER, "https://external-api.kalshi.com/trade-api/v2", 0, 0,
	"REST base of the exchange; http:// only to loopback, unless KMD_ALLOW_PLAINTEXT=true", NULL},
    {"KALSHI_API_KEY_ID", KMD_CONF_STR, BOTH, NULL, 0, 0, "id of the API key", NULL},
    {"KALSHI_PRIVATE_KEY_FILE", KMD_CONF_STR, BOTH, NULL, 0, 0,
	"PEM file of the private key, PKCS#1 or PKCS#8, RSA or Ed25519; read again when it changes", NULL},
    {"KALSHI_CA_FILE", KMD_CONF_STR, BOTH, NULL, 0, 0, "PEM file of a CA to trust besides the system's", NULL},
    {"KMD_ALLOW_PLAINTEXT", KMD_CONF_BOOL, ALL, "false", 0, 0, "allow ws:// and http:// to hosts other than loopback",
	NULL},
    {"DATABASE_URL", KMD_CONF_SECRET, SINK, NULL, 0, 0,
	"Postgres connection string; libpq's own PG* variables work too", NULL},

    {"KMD_TOPIC_PREFIX", KMD_CONF_STR, ALL, "kalshi.", 0, 0, "put before every topic name", NULL},
    {"KMD_TOPIC_CREATE", KMD_CONF_BOOL, ALL, "true", 0, 0, "make topics that are missing", NULL},
    {"KMD_TOPIC_PARTITIONS", KMD_CONF_INT, ALL, "12", 1, 10000,
	"partitions of a topic that is made; feed, dlq and shards have their own number", NULL},
    {"KMD_TOPIC_REPLICATION", KMD_CONF_INT, ALL, "1", 1, 100,
	"replicas of a topic that is made; min.insync.replicas becomes one less, at least 1", NULL},
    {"KMD_TOPIC_RETENTION", KMD_CONF_DUR, ALL, "7d", SEC, 36500 * DAY,
	"how long a topic that is made keeps records, unless it keeps them for ever", NULL},
    {"KMD_HTTP_LISTEN", KMD_CONF_STR, ALL, "127.0.0.1:9101|127.0.0.1:9102|127.0.0.1:9103", 0, 0,
	"address:port of /livez, /readyz and /metrics", NULL},
    {"KMD_LOG_LEVEL", KMD_CONF_STR, ALL, "info", 0, 0, "least severe lines that are written", "debug|info|warn|error"},
    {"KMD_LOG_FORMAT", KMD_CONF_STR, ALL, NULL, 0, 0, "form of log lines; unset: json, text on a terminal",
	"json|text"},
    {"KMD_SHUTDOWN_TIMEOUT", KMD_CONF_DUR, ALL, "20s", 0, HOUR, "longest drain after SIGTERM", NULL},

    {"KMD_INGEST_CHANNELS", KMD_CONF_STR, INGEST,
	"trade,ticker,market_lifecycle_v2,multivariate_market_lifecycle,orderbook_delta", 0, 0,
	"channels that are subscribed", NULL},
    {"KMD_INGEST_MARKETS", KMD_CONF_STR, INGEST, "*,-KXMVE*", 0, 0,
	"markets whose books are captured: comma list of globs on tickers, - in front excludes", NULL},
    {"KMD_INGEST_GROUP", KMD_CONF_STR, INGEST, "kmd-ingest", 0, 0,
	"instances of one group share out the shards and take over from a dead one", NULL},
    {"KMD_INGEST_SHARDS", KMD_CONF_INT, INGEST, "1", 1, 1000,
	"parts of the book universe, shared out among the instances of the group; the same in all of them", NULL},
    {"KMD_INGEST_STALE_AFTER", KMD_CONF_DUR, INGEST, "10s", 100 * MS, DAY,
	"a connection that should have data and has none for so long is replaced", NULL},
    {"KMD_INGEST_SPOOL_DIR", KMD_CONF_STR, INGEST, NULL, 0, 0, "folder of the disk spool for a broker outage", NULL},
    {"KMD_INGEST_SPOOL_MAX", KMD_CONF_SIZE, INGEST, "10GiB", MIB, 1024 * TIB, "largest size of the spool", NULL},

    {"KMD_ENRICHER_GROUP", KMD_CONF_STR, ENRICHER, "kmd-enricher", 0, 0, "consumer group", NULL},
    {"KMD_ENRICHER_MAX_IN_FLIGHT", KMD_CONF_INT, ENRICHER, "32", 1, 1000, "concurrent REST calls at most", NULL},
    {"KMD_ENRICHER_RATE", KMD_CONF_RATE, ENRICHER, "15", 0, 100000, "REST calls a second at most", NULL},
    {"KMD_ENRICHER_SETTLEMENT_RETRY", KMD_CONF_DUR, ENRICHER, "5s", 10 * MS, DAY,
	"wait before a result that came back empty is asked for again", NULL},
    {"KMD_ENRICHER_LIST_EVERY", KMD_CONF_DUR, ENRICHER, "10m", SEC, 7 * DAY,
	"how often open markets are listed and settlements reconciled", NULL},
    {"KMD_ENRICHER_MVE", KMD_CONF_BOOL, ENRICHER, "false", 0, 0,
	"multivariate (KXMVE) frames start REST calls and are listed", NULL},

    {"KMD_SINK_TOPICS", KMD_CONF_STR, SINK, NULL, 0, 0,
	"comma list of the topics (without prefix) that this instance takes; unset: all", NULL},
    {"KMD_SINK_GROUP", KMD_CONF_STR, SINK, "kmd-sink", 0, 0,
	"consumer group; a database belongs to one cluster, prefix and group", NULL},
    {"KMD_SINK_WRITERS", KMD_CONF_INT, SINK, "2", 1, 64, "Postgres connections written in parallel", NULL},
    /* its least is more than a claim waits for a lock: claim.c */
    {"KMD_SINK_DATABASE_TIMEOUT", KMD_CONF_DUR, SINK, "1m", 5 * SEC, HOUR,
	"a connection that is silent for so long while it owes an answer is given up", NULL},
    {"KMD_SINK_BATCH_ROWS", KMD_CONF_INT, SINK, "10000", 1, 1000000, "a batch is written at so many rows", NULL},
    {"KMD_SINK_BATCH_BYTES", KMD_CONF_SIZE, SINK, "8MiB", 1024, GIB, "or at so many bytes", NULL},
    {"KMD_SINK_BATCH_AGE", KMD_CONF_DUR, SINK, "250ms", MS, HOUR, "or when its oldest row has waited so long", NULL},
    {"KMD_SINK_PARTITION_AHEAD", KMD_CONF_INT, SINK, "2", 0, 366, "days of partitions made ahead", NULL},
    {"KMD_SINK_RETENTION_DAYS", KMD_CONF_INT, SINK, "0", 0, 36500,
	"older partitions of the frame tables are dropped; 0 keeps them", NULL},
};
const size_t kmd_conf_family_count = sizeof(kmd_conf_family) / sizeof(kmd_conf_family[0]);

const struct kmd_conf_key *conf_key_find(struct kmd_str name)
{
	for (size_t i = 0; i < kmd_conf_family_count; i++)
		if (kmd_str_eqz(name, kmd_conf_family[i].name))
			return &kmd_conf_family[i];
	return NULL;
}

const char *conf_default(const struct kmd_conf_key *key, enum kmd_conf_who who, char scratch[128])
{
	struct kmd_str rest = kmd_str_z(key->def), piece = rest;

	if (!key->def || !strchr(key->def, '|'))
		return key->def;
	for (unsigned w = KMD_WHO_INGEST; w <= KMD_WHO_SINK; w <<= 1)
		if (kmd_str_split(&rest, '|', &piece) && (who & w))
			break;
	memcpy(scratch, piece.p, piece.n);
	scratch[piece.n] = '\0';
	return scratch;
}

static bool ends_with(struct kmd_str s, struct kmd_str suffix)
{
	return s.n >= suffix.n && memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0;
}

/* "_PORT_<digits>" followed by "_" anywhere, as in KMD_SINK_PORT_9103_TCP_ADDR. */
static bool has_numbered_port(const char *name)
{
	static const char mark[] = "_PORT_";

	for (const char *p = strstr(name, mark); p; p = strstr(p + 1, mark)) {
		const char *digits = p + sizeof(mark) - 1;
		size_t n = strspn(digits, "0123456789");
		if (n > 0 && digits[n] == '_')
			return true;
	}
	return false;
}

/* Names that Kubernetes puts into every pod of a namespace for its services. */
static bool is_service_link(const char *name)
{
	struct kmd_str s = kmd_str_z(name);

	return ends_with(s, KMD_STR("_SERVICE_HOST")) || ends_with(s, KMD_STR("_SERVICE_PORT")) ||
	       strstr(name, "_SERVICE_PORT_") || ends_with(s, KMD_STR("_PORT")) || has_numbered_port(name);
}

/* librdkafka's own properties that end in ".file" are not our way of giving a value by a file. */
static bool is_kafka_file_property(struct kmd_str s)
{
	return kmd_str_eqz(s, "KAFKA_SASL_OAUTHBEARER_ASSERTION_PRIVATE_KEY_FILE") ||
	       kmd_str_eqz(s, "KAFKA_SASL_OAUTHBEARER_ASSERTION_JWT_TEMPLATE_FILE");
}

static struct conf_name strip_file(enum conf_kind kind, struct kmd_str s)
{
	const struct kmd_str suffix = KMD_STR("_FILE");

	if (!ends_with(s, suffix) || is_kafka_file_property(s))
		return (struct conf_name){kind, s, false};
	return (struct conf_name){kind, {s.p, s.n - suffix.n}, true};
}

struct conf_name conf_name_of(const char *name)
{
	struct kmd_str s = kmd_str_z(name);
	struct conf_name n = {CONF_KEY, s, false};

	if (conf_key_find(s))
		return n;
	n = strip_file(CONF_KEY, s);
	if (n.from_file && conf_key_find(n.base))
		return n;
	if (is_service_link(name))
		return (struct conf_name){CONF_FOREIGN, s, false};
	if (kmd_str_has_prefix(s, KMD_STR("KAFKA_")) && n.base.n > strlen("KAFKA_"))
		return strip_file(CONF_KAFKA, s);
	if (kmd_str_has_prefix(s, KMD_STR("PG")) && n.base.n > strlen("PG"))
		return strip_file(CONF_PG, s);
	if (strncasecmp(name, "KMD_", 4) == 0 || strncasecmp(name, "KALSHI_", 7) == 0 ||
	    kmd_str_has_prefix(s, KMD_STR("KAFKA_")))
		return (struct conf_name){CONF_UNKNOWN, s, false};
	return (struct conf_name){CONF_FOREIGN, s, false};
}

bool conf_kafka_is_secret(const char *setting)
{
	static const char *const marks[] = {"PASSWORD", "PASSPHRASE", "SECRET", "KEY_PEM", "OAUTHBEARER_CONFIG"};

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
		if (strstr(setting, marks[i]))
			return true;
	return false;
}
