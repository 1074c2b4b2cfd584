/*
 * copy CONNINFO FILE COPY_SQL BATCH [PART PARTS]
 *
 * FILE is a COPY BINARY stream (of COPY ... TO). Its rows go in again by COPY_SQL on one connection, BATCH rows in each
 * statement, which is a transaction of its own; of PARTS programs each takes its share of the batches. Nothing is made
 * or changed on the way: what is left is libpq and Postgres. Prints rows and seconds.
 */
#include <libpq-fe.h>
#include <stdint.h>
#include <string.h>

#include "bench.h"

#define HEAD_BYTES 19
#define PIECE_BYTES (64 * 1024)

static const char tail[2] = {(char)0xff, (char)0xff};

struct file {
	char *p;
	size_t n;
};

static struct file read_all(const char *path)
{
	FILE *in = fopen(path, "rb");
	struct file f = {0};
	long size;

	if (!in || fseek(in, 0, SEEK_END) != 0 || (size = ftell(in)) < HEAD_BYTES)
		bench_die(path, "cannot be read");
	rewind(in);
	f.n = (size_t)size;
	f.p = malloc(f.n);
	if (!f.p || fread(f.p, 1, f.n, in) != f.n)
		bench_die(path, "cannot be read");
	fclose(in);
	return f;
}

static unsigned be(const char *p, int n)
{
	unsigned v = 0;

	for (int i = 0; i < n; i++)
		v = v << 8 | (unsigned char)p[i];
	return v;
}

/* Where the row at @at ends; @at itself at the trailer. */
static size_t row_end(const struct file *f, size_t at)
{
	const unsigned fields = at + 2 <= f->n ? be(f->p + at, 2) : 0xffff;

	if (fields == 0xffff)
		return at;
	at += 2;
	for (unsigned i = 0; i < fields; i++) {
		const unsigned n = be(f->p + at, 4);

		at += 4 + (n == UINT32_MAX ? 0 : n);
	}
	return at;
}

static void expect(PGconn *c, PGresult *r, ExecStatusType status)
{
	if (PQresultStatus(r) != status)
		bench_die("postgres", PQerrorMessage(c));
	PQclear(r);
}

static void put(PGconn *c, const char *p, size_t n)
{
	for (size_t at = 0; at < n; at += PIECE_BYTES)
		if (PQputCopyData(c, p + at, (int)(n - at < PIECE_BYTES ? n - at : PIECE_BYTES)) != 1)
			bench_die("postgres", PQerrorMessage(c));
}

static void copy(PGconn *c, const char *sql, const struct file *f, size_t from, size_t to)
{
	expect(c, PQexec(c, sql), PGRES_COPY_IN);
	put(c, f->p, HEAD_BYTES);
	put(c, f->p + from, to - from);
	put(c, tail, sizeof(tail));
	if (PQputCopyEnd(c, NULL) != 1)
		bench_die("postgres", PQerrorMessage(c));
	expect(c, PQgetResult(c), PGRES_COMMAND_OK);
	while (PQgetResult(c))
		;
}

int main(int argc, char **argv)
{
	long long rows = 0, batches = 0, batch, part, parts;
	struct file f;
	PGconn *c;
	double began;

	if (argc != 5 && argc != 7)
		bench_die(argv[0], "CONNINFO FILE COPY_SQL BATCH [PART PARTS]");
	f = read_all(argv[2]);
	batch = bench_number(argv[4]);
	part = argc == 7 ? bench_number(argv[5]) : 0;
	parts = argc == 7 ? bench_number(argv[6]) : 1;
	c = PQconnectdb(argv[1]);
	if (PQstatus(c) != CONNECTION_OK)
		bench_die("postgres", PQerrorMessage(c));
	began = bench_now_s();
	for (size_t at = HEAD_BYTES;; batches++) {
		const size_t from = at;
		long long n = 0;

		for (size_t end; n < batch && (end = row_end(&f, at)) > at; n++)
			at = end;
		if (n == 0)
			break;
		if (batches % parts != part)
			continue;
		copy(c, argv[3], &f, from, at);
		rows += n;
	}
	printf("%lld %.3f\n", rows, bench_now_s() - began);
	PQfinish(c);
	free(f.p);
	return 0;
}
