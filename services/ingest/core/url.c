#include "url.h"

#include <string.h>

#define FAULT(what) kmd_err_set(err, KMD_ECONFIG, "KALSHI_WS_URL: " what)

static struct kmd_str cut(struct kmd_str s, size_t from)
{
	return (struct kmd_str){s.p + from, s.n - from};
}

static size_t find_any(struct kmd_str s, const char *set)
{
	size_t i = 0;

	while (i < s.n && !strchr(set, s.p[i]))
		i++;
	return i;
}

static bool copy_z(char *to, size_t cap, struct kmd_str s)
{
	if (s.n == 0 || s.n >= cap || memchr(s.p, 0, s.n))
		return false;
	memcpy(to, s.p, s.n);
	to[s.n] = 0;
	return true;
}

static int parse_port(struct kmd_str text, int *ret, struct kmd_err *err)
{
	uint64_t port;

	if (text.n == 0)
		return 0;
	if (text.p[0] != ':' || kmd_str_u64(cut(text, 1), &port) < 0 || port == 0 || port > 65535)
		return FAULT("not a port");
	*ret = (int)port;
	return 0;
}

static int parse_authority(struct ingest_url *u, struct kmd_str text, struct kmd_err *err)
{
	bool bracket = text.n > 0 && text.p[0] == '[';
	size_t end = find_any(text, bracket ? "]" : ":");
	struct kmd_str host = {text.p + (bracket ? 1 : 0), end - (bracket && end > 0 ? 1 : 0)};

	if (find_any(text, "@") < text.n)
		return FAULT("a user name has no place in it");
	if (bracket && end == text.n)
		return FAULT("no closing bracket");
	if (!copy_z(u->host, sizeof(u->host), host) || !copy_z(u->host_header, sizeof(u->host_header), text))
		return FAULT("no usable host");
	return parse_port(cut(text, end + (bracket ? 1 : 0)), &u->port, err);
}

static int parse_target(struct ingest_url *u, struct kmd_str text, struct kmd_err *err)
{
	bool rooted = text.n > 0 && text.p[0] == '/';

	if (find_any(text, "# \t\r\n") < text.n)
		return FAULT("a fragment or white space has no place in it");
	if (!rooted)
		u->target[0] = '/';
	if (text.n > 0 && !copy_z(u->target + (rooted ? 0 : 1), sizeof(u->target) - 1, text))
		return FAULT("path too long");
	return 0;
}

int ingest_url_parse(struct ingest_url *ret, struct kmd_str text, struct kmd_err *err)
{
	struct ingest_url u = {0};
	size_t end;
	int rc;

	u.tls = kmd_str_has_prefix(text, KMD_STR("wss://"));
	if (!u.tls && !kmd_str_has_prefix(text, KMD_STR("ws://")))
		return FAULT("starts with neither wss:// nor ws://");
	text = cut(text, u.tls ? 6 : 5);
	u.port = u.tls ? 443 : 80;
	end = find_any(text, "/?#");
	rc = parse_authority(&u, (struct kmd_str){text.p, end}, err);
	if (rc == 0)
		rc = parse_target(&u, cut(text, end), err);
	if (rc == 0)
		*ret = u;
	return rc;
}
