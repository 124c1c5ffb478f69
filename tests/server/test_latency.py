from becalm_server.latency import N_KEPT, Latency

NS_PER_MS = 1_000_000


def test_percentiles_are_of_the_newest_and_buckets_of_all() -> None:
    latency = Latency()
    assert latency.percentile_ms(50) is None
    for spent_ms in (3_000, *[4] * N_KEPT):
        latency.add(spent_ms * NS_PER_MS)
    assert latency.percentile_ms(99) == 4.0
    assert latency.n_added == N_KEPT + 1
    assert latency.sum_s == 3.0 + 0.004 * N_KEPT
    buckets = dict(latency.buckets())
    assert (buckets[0.002], buckets[0.005], buckets[2.5], buckets[5.0]) == (0, N_KEPT, N_KEPT, N_KEPT + 1)
    assert buckets[float("inf")] == N_KEPT + 1


def test_a_bound_itself_is_within_its_bucket() -> None:
    latency = Latency()
    latency.add(5 * NS_PER_MS)
    assert dict(latency.buckets())[0.005] == 1
