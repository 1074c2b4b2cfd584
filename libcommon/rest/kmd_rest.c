#include "rest_int.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kmd_mem.h"

struct kmd_rest {
	CURLM *multi;
	char *base;       /* without slashes behind */
	size_t path_from; /* where the path of base starts */
	struct kmd_signer *signer;
	struct kmd_buf trust;
	struct transfer_options options;
	struct transfer **transfers; /* in flight */
	size_t count, cap;
	kmd_rest_fn fn;
	void *ctx;
};

static void init_curl(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		abort(); /* no memory, as in kmd_alloc */
}

/* Takes "scheme://host:port" off @base; the path starts at the returned index. 0: not a URL. */
static size_t path_of(const char *base)
{
	const char *host = strstr(base, "://");

	if (!host || host == base || !host[3] || host[3] == '/')
		return 0;
	return (size_t)(host - base) + 3 + strcspn(host + 3, "/?#");
}

static bool is_loopback(const char *base)
{
	static const char *const hosts[] = {"127.", "localhost:", "localhost/", "[::1]"};
	const char *host = strstr(base, "://") + 3;

	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++)
		if (strncmp(host, hosts[i], strlen(hosts[i])) == 0)
			return true;
	return strcmp(host, "localhost") == 0;
}

static CURLM *open_multi(int max_in_flight)
{
	CURLM *m = curl_multi_init();

	if (!m)
		abort(); /* no memory, as in kmd_alloc */
	curl_multi_setopt(m, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)max_in_flight);
	curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, (long)max_in_flight);
	return m;
}

int kmd_rest_new(struct kmd_rest **ret, const char *base_url, const char *ca_file, struct kmd_signer *signer,
    int max_in_flight, int64_t timeout_ns, kmd_rest_fn fn, void *ctx, struct kmd_err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct kmd_buf trust = {0};
	size_t n = strlen(base_url), path_from = path_of(base_url);
	int rc = 0;

	if (path_from == 0)
		return kmd_err_set(err, KMD_ECONFIG, "\"%.200s\" is not a URL", base_url);
	pthread_once(&once, init_curl);
	if (ca_file)
		rc = trust_load(ca_file, &trust, err);
	if (rc < 0) {
		kmd_buf_fini(&trust);
		return rc;
	}
	while (n > path_from && base_url[n - 1] == '/')
		n--;
	struct kmd_rest *r = kmd_calloc(1, sizeof(*r));
	*r = (struct kmd_rest){.multi = open_multi(max_in_flight),
	    .base = kmd_strndup(base_url, n),
	    .path_from = path_from,
	    .signer = signer,
	    .trust = trust,
	    .fn = fn,
	    .ctx = ctx};
	r->options =
	    (struct transfer_options){timeout_ns / KMD_NS_PER_MS, is_loopback(r->base), kmd_buf_str(&r->trust)};
	*ret = r;
	return 0;
}

/* Takes a transfer out of those in flight. */
static void remove_transfer(struct kmd_rest *r, struct transfer *t)
{
	curl_multi_remove_handle(r->multi, t->easy);
	r->transfers[t->index] = r->transfers[--r->count];
	r->transfers[t->index]->index = t->index;
}

void kmd_rest_free(struct kmd_rest *r)
{
	if (!r)
		return;
	while (r->count > 0) {
		struct transfer *t = r->transfers[r->count - 1];
		remove_transfer(r, t);
		transfer_free(t);
	}
	curl_multi_cleanup(r->multi);
	free(r->transfers);
	free(r->base);
	kmd_buf_fini(&r->trust);
	free(r);
}

static void add_transfer(struct kmd_rest *r, struct transfer *t)
{
	if (r->count == r->cap) {
		r->cap = r->cap ? 2 * r->cap : 32;
		r->transfers = kmd_realloc(r->transfers, r->cap * sizeof(struct transfer *));
	}
	t->index = r->count;
	r->transfers[r->count++] = t;
	curl_multi_add_handle(r->multi, t->easy);
}

/* A target goes into the request line as it stands. */
static bool is_target(const char *s)
{
	if (*s != '/')
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s >= 0x7f || *s == '#')
			return false;
	return true;
}

int kmd_rest_get(struct kmd_rest *r, struct kmd_wall now, const char *path_and_query, uint64_t ref, struct kmd_err *err)
{
	struct kmd_sign_headers sign;
	struct kmd_buf url = {0};
	int rc = 0;

	if (!is_target(path_and_query))
		return kmd_err_set(err, KMD_EFAULT, "\"%.200s\" is not an encoded path", path_and_query);
	kmd_buf_addf(&url, "%s%s", r->base, path_and_query);
	if (r->signer)
		rc = kmd_signer_sign(
		    r->signer, now, "GET", (struct kmd_str){url.p + r->path_from, url.n - r->path_from}, &sign, err);
	if (rc == 0) {
		kmd_buf_addc(&url, '\0');
		struct transfer *t = transfer_new(url.p, r->signer ? &sign : NULL, &r->options);
		t->ref = ref;
		add_transfer(r, t);
	}
	kmd_buf_fini(&url);
	return rc;
}

int kmd_rest_in_flight(const struct kmd_rest *r)
{
	return (int)r->count;
}

/* Moves bytes, then hands out what has ended. The callback may start further GETs. */
static int serve(struct kmd_rest *r)
{
	int running, left, served = 0;
	const CURLMsg *m;
	struct transfer *t;

	curl_multi_perform(r->multi, &running);
	while ((m = curl_multi_info_read(r->multi, &left))) {
		CURLcode code = m->data.result;
		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		remove_transfer(r, t);
		const struct kmd_rest_answer a = transfer_answer(t, code);
		r->fn(r->ctx, &a);
		transfer_free(t);
		served++;
	}
	return served;
}

void kmd_rest_poll(struct kmd_rest *r, const int *fds, size_t fds_count, int timeout_ms)
{
	if (serve(r) > 0)
		return;
	struct curl_waitfd *extra = kmd_calloc(fds_count + 1, sizeof(*extra));
	for (size_t i = 0; i < fds_count; i++)
		extra[i] = (struct curl_waitfd){.fd = fds[i], .events = CURL_WAIT_POLLIN};
	curl_multi_poll(r->multi, extra, (unsigned)fds_count, timeout_ms, NULL);
	free(extra);
	serve(r);
}
