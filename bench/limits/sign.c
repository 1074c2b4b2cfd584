/*
 * sign KEY.pem COUNT: COUNT signatures as the exchange wants them (RSA-PSS, SHA-256, base64), and nothing else. Prints
 * the seconds.
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

#include "bench.h"

static EVP_PKEY *read_key(const char *path)
{
	FILE *file = fopen(path, "r");
	EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;

	if (!key)
		bench_die(path, "no key");
	fclose(file);
	return key;
}

static void sign(EVP_PKEY *key, const char *text)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx;
	unsigned char signature[1024], base64[2048];
	size_t n = sizeof(signature);

	if (EVP_DigestSignInit(md, &ctx, EVP_sha256(), NULL, key) != 1 ||
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) != 1 ||
	    EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) != 1 ||
	    EVP_DigestSign(md, signature, &n, (const unsigned char *)text, strlen(text)) != 1)
		bench_die("signature", "failed");
	EVP_EncodeBlock(base64, signature, (int)n);
	EVP_MD_CTX_free(md);
}

int main(int argc, char **argv)
{
	EVP_PKEY *key;
	double began_s;
	char text[128];

	if (argc != 3)
		bench_die(argv[0], "KEY.pem COUNT");
	key = read_key(argv[1]);
	began_s = bench_now_s();
	for (long long i = 0; i < bench_number(argv[2]); i++) {
		snprintf(
		    text, sizeof(text), "%lldGET/trade-api/v2/markets/KXBTCD-26NOV22-T%06lld.99", 1795341600123 + i, i);
		sign(key, text);
	}
	printf("%.6f\n", bench_now_s() - began_s);
	EVP_PKEY_free(key);
	return 0;
}
