#include <math.h>

#include "../cmocka_all.h"
#include "kmd_metrics.h"

static void assert_render(struct kmd_metrics *m, const char *text)
{
	struct kmd_buf out = {0};
	kmd_metrics_render(m, &out);
	assert_str(kmd_buf_str(&out), text);
	kmd_buf_fini(&out);
}

static void counters_stand_at_zero_from_the_start(void **state)
{
	(void)state;
	struct kmd_metrics *m = kmd_metrics_new();
	struct kmd_counter *trades = kmd_metrics_counter(m, "frames_total", "type=\"trade\"", "Frames received.");
	(void)kmd_metrics_counter(m, "stale_total", NULL, "Silent \\ odd\nconnections.");
	(void)kmd_metrics_counter(m, "frames_total", "type=\"ticker\"", "Frames received.");
	kmd_counter_add(trades, 3);
	kmd_counter_add(trades, UINT64_C(10000000000));
	assert_true(kmd_counter_value(trades) == UINT64_C(10000000003));
	assert_render(m, "# HELP frames_total Frames received.\n"
			 "# TYPE frames_total counter\n"
			 "frames_total{type=\"trade\"} 10000000003\n"
			 "frames_total{type=\"ticker\"} 0\n"
			 "# HELP stale_total Silent \\\\ odd\\nconnections.\n"
			 "# TYPE stale_total counter\n"
			 "stale_total 0\n");
	kmd_metrics_free(m);
}

static void the_same_series_again_is_the_same(void **state)
{
	(void)state;
	struct kmd_metrics *m = kmd_metrics_new();
	struct kmd_counter *a = kmd_metrics_counter(m, "x_total", "k=\"1\"", "X.");
	assert_ptr_equal(kmd_metrics_counter(m, "x_total", "k=\"1\"", "X."), a);
	assert_ptr_not_equal(kmd_metrics_counter(m, "x_total", "k=\"2\"", "X."), a);
	static const double bounds[] = {1};
	struct kmd_histogram *h = kmd_metrics_histogram(m, "h", NULL, "H.", bounds, 1);
	assert_ptr_equal(kmd_metrics_histogram(m, "h", NULL, "H.", bounds, 1), h);
	kmd_metrics_free(m);
	kmd_metrics_free(NULL);
}

static void gauges_print_the_shortest_text(void **state)
{
	(void)state;
	static const struct {
		double v;
		const char *text;
	} cases[] = {{0, "g 0\n"}, {0.1, "g 0.1\n"}, {-2.5, "g -2.5\n"}, {10737418240.0, "g 10737418240\n"},
	    {1.0 / 3, "g 0.3333333333333333\n"}, {1e300, "g 1e+300\n"}, {0.1 + 0.2, "g 0.30000000000000004\n"},
	    {INFINITY, "g +Inf\n"}, {-INFINITY, "g -Inf\n"}, {NAN, "g NaN\n"}};
	struct kmd_metrics *m = kmd_metrics_new();
	struct kmd_gauge *g = kmd_metrics_gauge(m, "g", NULL, "");
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char expected[200] = "# HELP g \n# TYPE g gauge\n";
		kmd_gauge_set(g, cases[i].v);
		assert_render(m, strcat(expected, cases[i].text));
	}
	kmd_gauge_set(g, 7.25);
	assert_true(kmd_gauge_value(g) == 7.25);
	kmd_metrics_free(m);
}

static void histograms_are_cumulative(void **state)
{
	(void)state;
	static const double bounds[] = {0.1, 1, 10};
	struct kmd_metrics *m = kmd_metrics_new();
	struct kmd_histogram *plain = kmd_metrics_histogram(m, "age_seconds", NULL, "Age.", bounds, 3);
	struct kmd_histogram *labelled = kmd_metrics_histogram(m, "age_seconds", "table=\"trades\"", "Age.", bounds, 3);
	kmd_histogram_observe(plain, 0.1); /* a bound belongs to its bucket */
	kmd_histogram_observe(plain, 0.5);
	kmd_histogram_observe(plain, -1);
	kmd_histogram_observe(plain, 100);
	kmd_histogram_observe(plain, NAN);
	kmd_histogram_observe_n(labelled, 2, 5);
	assert_render(m, "# HELP age_seconds Age.\n"
			 "# TYPE age_seconds histogram\n"
			 "age_seconds_bucket{le=\"0.1\"} 2\n"
			 "age_seconds_bucket{le=\"1\"} 3\n"
			 "age_seconds_bucket{le=\"10\"} 3\n"
			 "age_seconds_bucket{le=\"+Inf\"} 4\n"
			 "age_seconds_sum 99.6\n"
			 "age_seconds_count 4\n"
			 "age_seconds_bucket{table=\"trades\",le=\"0.1\"} 0\n"
			 "age_seconds_bucket{table=\"trades\",le=\"1\"} 0\n"
			 "age_seconds_bucket{table=\"trades\",le=\"10\"} 5\n"
			 "age_seconds_bucket{table=\"trades\",le=\"+Inf\"} 5\n"
			 "age_seconds_sum{table=\"trades\"} 10\n"
			 "age_seconds_count{table=\"trades\"} 5\n");
	kmd_metrics_free(m);
}

static void label_values_are_escaped(void **state)
{
	(void)state;
	struct kmd_buf b = {0};
	kmd_metrics_label(&b, "a", KMD_STR("plain"));
	kmd_metrics_label(&b, "b", KMD_STR("q\"uote\\ and\nline"));
	assert_str(kmd_buf_str(&b), "a=\"plain\",b=\"q\\\"uote\\\\ and\\nline\"");
	kmd_buf_fini(&b);
}

static void latency_bounds_ascend(void **state)
{
	(void)state;
	for (size_t i = 1; i < kmd_latency_bounds_count; i++)
		assert_true(kmd_latency_bounds[i] > kmd_latency_bounds[i - 1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counters_stand_at_zero_from_the_start),
	    cmocka_unit_test(the_same_series_again_is_the_same),
	    cmocka_unit_test(gauges_print_the_shortest_text),
	    cmocka_unit_test(histograms_are_cumulative),
	    cmocka_unit_test(label_values_are_escaped),
	    cmocka_unit_test(latency_bounds_ascend),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
