/*
 * exchange PORT KIND COUNT_OF_DIFFERENT MARKETS LEVELS
 *
 * An exchange on a port of loopback that costs as little as can be: it answers the commands of a capture (subscribe,
 * add_markets, get_snapshot), and sends messages made beforehand, 64 KiB at a time, to every connection that wants
 * them: to the path /blast everyone, else who subscribed the channel of KIND (trade, delta, ticker, snapshot). By HTTP:
 *
 *   GET /go/COUNT/RATE/CONNECTIONS
 *
 * sends, as soon as there are CONNECTIONS that want them, COUNT messages to each; answered when they are written. RATE
 * 0: as fast as they are taken. Else at RATE messages a second in all, each with the time it was due (CLOCK_REALTIME,
 * ns) in the member `due_ns`; a late one is sent at once and keeps its time, so that nothing waits unseen.
 *
 * A connection of /blast is closed after its messages.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "frames.h"

#define CONNS_MAX 32
#define CHUNK (64 * 1024)
#define IN_MAX (256 * 1024)
#define STREAM_SID 1
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

struct conn {
	int fd;
	bool open, blast, wants, said_bye, asks, closing; /* asks: for a /go/, and waits for its answer */
	char in[IN_MAX];
	size_t in_n;
	char *out;
	size_t out_at, out_n, out_cap;
	int others;             /* channels besides the stream's */
	uint64_t book_seq, seq; /* of the books' sid, of the stream's where it is another */
	uint64_t left, i;
};

struct exchange {
	int listener;
	struct conn *conns[CONNS_MAX];
	struct frames frames;
	const char *channel;
	uint64_t wanted;  /* of each connection, by the last command */
	long connections; /* that have to be there; 0: it has begun */
	bool told;
	double rate; /* 0: as fast as it goes */
	int64_t pace_began_ns;
	uint64_t paced;
};

static int64_t wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static char *room(struct conn *c, size_t n)
{
	if (c->out_at == c->out_n)
		c->out_at = c->out_n = 0;
	if (c->out_n + n > c->out_cap) {
		c->out_cap = (c->out_n + n) * 2;
		c->out = realloc(c->out, c->out_cap);
		if (!c->out)
			bench_die("exchange", "no memory");
	}
	return c->out + c->out_n;
}

static void add_text(struct conn *c, const char *s, size_t n)
{
	char *p = frame_head(room(c, n + 16), 1, n);

	memcpy(p, s, n);
	c->out_n = (size_t)(p + n - c->out);
}

static void end_conn(struct exchange *x, struct conn *c)
{
	for (size_t i = 0; i < CONNS_MAX; i++)
		if (x->conns[i] == c)
			x->conns[i] = NULL;
	close(c->fd);
	free(c->out);
	free(c);
}

/* The number behind @name in @s, 0 for none. */
static long long number_of(const char *s, const char *name)
{
	const char *at = strstr(s, name);

	return at ? strtoll(at + strlen(name), NULL, 10) : 0;
}

static void add_snapshot(struct conn *c, const char *ticker, int n, long long sid)
{
	char s[512];
	const int size = snprintf(s, sizeof(s),
	    "{\"type\":\"orderbook_snapshot\",\"sid\":%lld,\"seq\":%llu,\"msg\":{\"market_ticker\":\"%.*s\","
	    "\"market_id\":\"00000000-0000-4000-8000-000000000000\",\"yes_dollars_fp\":[[\"0.4800\",\"10.00\"]]}}",
	    sid, (unsigned long long)++c->book_seq, n, ticker);

	add_text(c, s, (size_t)size);
}

/* A snapshot of every book that the command names. */
static void add_snapshots(struct conn *c, const char *command, long long sid)
{
	const char *p = strstr(command, "\"market_tickers\":[");

	p = p ? p + strlen("\"market_tickers\":[") : NULL;
	while (p && *p == '"') {
		const char *end = strchr(p + 1, '"');

		if (!end)
			return;
		add_snapshot(c, p + 1, (int)(end - p - 1), sid);
		p = end[1] == ',' ? end + 2 : NULL;
	}
}

static void on_subscribe(struct exchange *x, struct conn *c, const char *command)
{
	const char *channel = strstr(command, "\"channels\":[\"") + strlen("\"channels\":[\"");
	const int n = (int)strcspn(channel, "\"");
	char s[256];
	const bool streams = strncmp(channel, x->channel, (size_t)n) == 0 && x->channel[n] == '\0';
	const int sid = streams ? STREAM_SID : STREAM_SID + ++c->others;
	const int size =
	    snprintf(s, sizeof(s), "{\"type\":\"subscribed\",\"id\":%lld,\"msg\":{\"channel\":\"%.*s\",\"sid\":%d}}",
		number_of(command, "\"id\":"), n, channel, sid);

	add_text(c, s, (size_t)size);
	if (strncmp(channel, "orderbook_delta", (size_t)n) == 0)
		add_snapshots(c, command, sid);
	c->wants |= streams;
}

static void on_update(struct conn *c, const char *command)
{
	const long long sid = number_of(command, "\"sid\":");
	char s[128];

	if (!strstr(command, "\"get_snapshot\"")) {
		const int n = snprintf(s, sizeof(s), "{\"type\":\"ok\",\"id\":%lld,\"sid\":%lld,\"seq\":%llu}",
		    number_of(command, "\"id\":"), sid, (unsigned long long)++c->book_seq);
		add_text(c, s, (size_t)n);
	}
	if (!strstr(command, "\"delete_markets\""))
		add_snapshots(c, command, sid);
}

static void on_command(struct exchange *x, struct conn *c, const char *command)
{
	if (strstr(command, "\"cmd\":\"subscribe\""))
		on_subscribe(x, c, command);
	else if (strstr(command, "\"cmd\":\"update_subscription\""))
		on_update(c, command);
}

static void on_go(struct exchange *x, struct conn *c, const char *what)
{
	unsigned long long count;

	if (sscanf(what, "%llu/%lf/%ld", &count, &x->rate, &x->connections) != 3)
		bench_die(what, "no COUNT/RATE/CONNECTIONS");
	x->wanted = count;
	x->told = false;
	c->asks = true;
}

static void begin_if_all_are_there(struct exchange *x)
{
	long there = 0;

	for (size_t i = 0; i < CONNS_MAX; i++)
		there += x->conns[i] && x->conns[i]->wants ? 1 : 0;
	if (x->connections == 0 || there < x->connections)
		return;
	x->connections = 0;
	x->paced = 0;
	x->pace_began_ns = wall_ns();
	for (size_t i = 0; i < CONNS_MAX; i++)
		if (x->conns[i] && x->conns[i]->wants)
			x->conns[i]->left = x->wanted;
}

static void on_sent(struct exchange *x)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

	x->told = true;
	for (size_t i = 0; i < CONNS_MAX; i++)
		if (x->conns[i] && x->conns[i]->asks) {
			if (write(x->conns[i]->fd, answer, sizeof(answer) - 1) < 0)
				perror("answer");
			end_conn(x, x->conns[i]);
		}
}

static void on_handshake(struct exchange *x, struct conn *c)
{
	char *end = memmem(c->in, c->in_n, "\r\n\r\n", 4), *key, joined[128], answer[256];
	unsigned char digest[SHA_DIGEST_LENGTH], base64[64];

	if (!end)
		return;
	*end = '\0';
	if (strncmp(c->in, "GET /go/", 8) == 0) {
		c->in_n = 0;
		on_go(x, c, c->in + 8);
		return;
	}
	key = strcasestr(c->in, "Sec-WebSocket-Key:");
	if (!key)
		bench_die("handshake", "no key");
	key += strlen("Sec-WebSocket-Key:");
	key += strspn(key, " ");
	snprintf(joined, sizeof(joined), "%.*s" GUID, (int)strcspn(key, "\r"), key);
	SHA1((const unsigned char *)joined, strlen(joined), digest);
	EVP_EncodeBlock(base64, digest, sizeof(digest));
	c->blast = strncmp(c->in, "GET /blast", 10) == 0;
	c->wants = c->blast;
	c->open = true;
	const int n = snprintf(answer, sizeof(answer),
	    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Accept: %s\r\n\r\n",
	    (char *)base64);
	memcpy(room(c, (size_t)n), answer, (size_t)n);
	c->out_n += (size_t)n;
	c->in_n -= (size_t)(end + 4 - c->in);
	memmove(c->in, end + 4, c->in_n);
}

/* One masked frame at the head of what was read; false: not all of it is there. */
static bool take_frame(struct exchange *x, struct conn *c)
{
	unsigned char *p = (unsigned char *)c->in;
	size_t n = c->in_n < 2 ? 0 : p[1] & 0x7f, head = 6;

	if (c->in_n < head)
		return false;
	if (n == 126) {
		n = (size_t)p[2] << 8 | p[3];
		head = 8;
	}
	if (c->in_n < head + n)
		return false;
	if (head + n >= IN_MAX)
		bench_die("command", "too long");
	for (size_t i = 0; i < n; i++)
		p[head + i] ^= p[head - 4 + i % 4];
	if ((p[0] & 0xf) == 8)
		c->closing = true;
	if ((p[0] & 0xf) == 1) {
		const char after = c->in[head + n];

		c->in[head + n] = '\0';
		on_command(x, c, c->in + head);
		c->in[head + n] = after;
	}
	c->in_n -= head + n;
	memmove(c->in, c->in + head + n, c->in_n);
	return true;
}

static void on_readable(struct exchange *x, struct conn *c)
{
	const ssize_t n = read(c->fd, c->in + c->in_n, IN_MAX - 1 - c->in_n);

	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			c->closing = true;
		return;
	}
	c->in_n += (size_t)n;
	if (!c->open)
		on_handshake(x, c);
	while (c->open && !c->closing && take_frame(x, c))
		;
}

static uint64_t next_seq(const struct exchange *x, struct conn *c)
{
	return x->frames.kind == FRAME_DELTA || x->frames.kind == FRAME_SNAPSHOT ? ++c->book_seq : ++c->seq;
}

static void add_one(struct exchange *x, struct conn *c, int64_t due_ns)
{
	char *p = room(c, frames_room(&x->frames));

	p = frame_put(&x->frames, c->i++, next_seq(x, c), due_ns, p);
	c->out_n = (size_t)(p - c->out);
	c->left--;
}

static bool has_had_all(const struct exchange *x, const struct conn *c)
{
	return c->blast && !c->said_bye && x->wanted > 0 && c->i >= x->wanted;
}

/* More for a connection whose buffer is empty. */
static void fill(struct exchange *x, struct conn *c)
{
	while (x->rate == 0 && c->left > 0 && c->out_n - c->out_at < CHUNK)
		add_one(x, c, 0);
	if (has_had_all(x, c)) {
		memcpy(room(c, 4), "\x88\x02\x03\xe8", 4);
		c->out_n += 4;
		c->said_bye = true;
	}
}

static void on_writable(struct exchange *x, struct conn *c)
{
	ssize_t n;

	if (c->out_at == c->out_n)
		fill(x, c);
	n = write(c->fd, c->out + c->out_at, c->out_n - c->out_at);
	if (n > 0)
		c->out_at += (size_t)n;
	else if (n < 0 && errno != EAGAIN)
		c->closing = true;
}

static bool all_sent(const struct exchange *x)
{
	for (size_t i = 0; i < CONNS_MAX; i++)
		if (x->conns[i] && (x->conns[i]->left > 0 || x->conns[i]->out_at < x->conns[i]->out_n))
			return false;
	return true;
}

/* What is due by now, dealt out in turn. */
static void pace(struct exchange *x)
{
	const int64_t now = wall_ns();
	size_t turn = 0;

	while (x->rate > 0 && x->connections == 0) {
		const int64_t due = x->pace_began_ns + (int64_t)((double)x->paced * 1e9 / x->rate);
		struct conn *c = NULL;

		for (size_t k = 0; k < CONNS_MAX && !c; k++, turn++)
			c = x->conns[turn % CONNS_MAX] && x->conns[turn % CONNS_MAX]->left > 0
				? x->conns[turn % CONNS_MAX]
				: NULL;
		if (!c || due > now)
			return;
		add_one(x, c, due);
		x->paced++;
	}
}

static void on_new(struct exchange *x)
{
	const int fd = accept4(x->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), one = 1;

	for (size_t i = 0; i < CONNS_MAX && fd >= 0; i++) {
		if (x->conns[i])
			continue;
		x->conns[i] = calloc(1, sizeof(struct conn));
		if (!x->conns[i])
			bench_die("exchange", "no memory");
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		x->conns[i]->fd = fd;
		return;
	}
	bench_die("exchange", "too many connections");
}

static void serve(struct exchange *x, struct conn *c, short events)
{
	if (events & (POLLIN | POLLHUP | POLLERR))
		on_readable(x, c);
	if (!c->closing && (events & POLLOUT))
		on_writable(x, c);
	if (c->closing)
		end_conn(x, c);
}

static void turn(struct exchange *x)
{
	struct pollfd fds[CONNS_MAX + 1] = {{.fd = x->listener, .events = POLLIN}};
	struct conn *who[CONNS_MAX + 1];
	nfds_t n = 1;

	begin_if_all_are_there(x);
	pace(x);
	for (size_t i = 0; i < CONNS_MAX; i++) {
		struct conn *c = x->conns[i];

		if (!c)
			continue;
		const bool more = c->out_at < c->out_n || (x->rate == 0 && c->left > 0) || has_had_all(x, c);
		who[n] = c;
		fds[n++] = (struct pollfd){.fd = c->fd, .events = (short)(POLLIN | (more ? POLLOUT : 0))};
	}
	if (poll(fds, n, x->rate > 0 && !x->told && x->connections == 0 ? 1 : -1) < 0 && errno != EINTR)
		bench_die("poll", strerror(errno));
	if (fds[0].revents)
		on_new(x);
	for (nfds_t i = 1; i < n; i++)
		if (fds[i].revents)
			serve(x, who[i], fds[i].revents);
	if (x->wanted > 0 && !x->told && x->connections == 0 && all_sent(x))
		on_sent(x);
}

static void listen_at(struct exchange *x, uint16_t port)
{
	const struct sockaddr_in a = {
	    .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int one = 1;

	x->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(x->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(x->listener, (const struct sockaddr *)&a, sizeof(a)) != 0 || listen(x->listener, 16) != 0)
		bench_die("listen", strerror(errno));
}

int main(int argc, char **argv)
{
	static struct exchange x;
	int kind;

	if (argc != 6 || (kind = frame_kind_of(argv[2])) < 0)
		bench_die(argv[0], "PORT trade|delta|ticker|snapshot COUNT_OF_DIFFERENT MARKETS LEVELS");
	signal(SIGPIPE, SIG_IGN);
	x.channel = frame_channel((enum frame_kind)kind);
	frames_make(&x.frames, (enum frame_kind)kind, (size_t)bench_number(argv[3]), (size_t)bench_number(argv[4]),
	    (size_t)bench_number(argv[5]), STREAM_SID);
	listen_at(&x, (uint16_t)bench_number(argv[1]));
	for (;;)
		turn(&x);
}
