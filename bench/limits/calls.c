/*
 * calls URL COUNT IN_FLIGHT: COUNT GETs of URL by libcurl, IN_FLIGHT at a time over kept connections, the answers
 * thrown away. What loopback HTTP alone takes. Prints the seconds.
 */
#include <curl/curl.h>

#include "bench.h"

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
	(void)p, (void)arg;
	return size * n;
}

static CURL *new_call(const char *url)
{
	CURL *one = curl_easy_init();

	curl_easy_setopt(one, CURLOPT_URL, url);
	curl_easy_setopt(one, CURLOPT_WRITEFUNCTION, on_body);
	return one;
}

int main(int argc, char **argv)
{
	long long left, begun = 0, done = 0;
	CURLM *multi;
	double began_s;

	if (argc != 4)
		bench_die(argv[0], "URL COUNT IN_FLIGHT");
	left = bench_number(argv[2]);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	multi = curl_multi_init();
	began_s = bench_now_s();
	for (; begun < left && begun < bench_number(argv[3]); begun++)
		curl_multi_add_handle(multi, new_call(argv[1]));
	while (done < left) {
		int running, waiting;
		CURLMsg *m;

		curl_multi_perform(multi, &running);
		while ((m = curl_multi_info_read(multi, &waiting))) {
			CURL *one = m->easy_handle;

			if (m->msg != CURLMSG_DONE)
				continue;
			if (m->data.result != CURLE_OK)
				bench_die(argv[1], curl_easy_strerror(m->data.result));
			curl_multi_remove_handle(multi, one);
			done++;
			if (begun++ < left)
				curl_multi_add_handle(multi, one);
			else
				curl_easy_cleanup(one);
		}
		curl_multi_poll(multi, NULL, 0, 1000, NULL);
	}
	printf("%.6f\n", bench_now_s() - began_s);
	curl_multi_cleanup(multi);
	return 0;
}
