#include "kmd_app.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

/* Host and port of "scheme://host:port/path", the scheme being cut already. An IPv6 host is without its brackets. */
struct authority {
	struct kmd_str host, port; /* port.p NULL: none */
};

static struct kmd_str until(struct kmd_str s, const char *stops)
{
	size_t n = 0;

	while (n < s.n && !strchr(stops, s.p[n]))
		n++;
	return (struct kmd_str){s.p, n};
}

static bool split_authority(struct kmd_str rest, struct authority *ret)
{
	struct kmd_str all = until(rest, "/?#"), host = until(all, ":"), tail;

	if (all.n && all.p[0] == '[') {
		host = until((struct kmd_str){all.p + 1, all.n - 1}, "]");
		if (host.n + 2 > all.n)
			return false;
		tail = (struct kmd_str){host.p + host.n + 1, all.n - host.n - 2};
	} else {
		tail = (struct kmd_str){all.p + host.n, all.n - host.n};
	}
	*ret = (struct authority){.host = host};
	if (tail.n == 0)
		return host.n > 0;
	ret->port = (struct kmd_str){tail.p + 1, tail.n - 1};
	return tail.p[0] == ':' && host.n > 0;
}

static bool is_port(struct kmd_str s)
{
	uint64_t v;

	return !s.p || (kmd_str_u64(s, &v) == 0 && v >= 1 && v <= 65535);
}

static bool is_loopback(struct kmd_str host)
{
	char text[64];
	struct in_addr v4;
	struct in6_addr v6;

	if (host.n >= sizeof(text))
		return false;
	memcpy(text, host.p, host.n);
	text[host.n] = '\0';
	if (strcasecmp(text, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, text, &v4) == 1)
		return (ntohl(v4.s_addr) >> 24) == 127;
	return inet_pton(AF_INET6, text, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static bool has_odd_bytes(struct kmd_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] >= 0x7f)
			return true;
	return false;
}

int kmd_app_check_url(
    const char *setting, const char *url, const char *plain, const char *tls, bool allow_plaintext, struct kmd_err *err)
{
	struct kmd_str s = kmd_str_z(url ? url : "");
	bool is_plain = kmd_str_has_prefix(s, kmd_str_z(plain));
	size_t skip = strlen(is_plain ? plain : tls);
	struct authority a;

	if (s.n == 0)
		return kmd_err_set(err, KMD_ECONFIG, "%s is not set", setting);
	if (!is_plain && !kmd_str_has_prefix(s, kmd_str_z(tls)))
		return kmd_err_set(err, KMD_ECONFIG, "%s must start with %s", setting, tls);
	s = (struct kmd_str){s.p + skip, s.n - skip};
	/* User and password in a URL would end up in logs; nothing here uses them. */
	if (has_odd_bytes(s) || memchr(until(s, "/?#").p, '@', until(s, "/?#").n))
		return kmd_err_set(
		    err, KMD_ECONFIG, "%s is not a plain URL (a space, a control byte, or user@host)", setting);
	if (!split_authority(s, &a) || !is_port(a.port))
		return kmd_err_set(err, KMD_ECONFIG, "%s=%.200s: no valid host and port", setting, url);
	if (is_plain && !allow_plaintext && !is_loopback(a.host))
		return kmd_err_set(err, KMD_ECONFIG,
		    "%s=%.200s: %s is allowed to loopback only, unless KMD_ALLOW_PLAINTEXT=true", setting, url, plain);
	return 0;
}
