#!/bin/bash
# Run by LocalStack when it is ready: makes the buckets that are named, each once, as a `fanout run` finds them.
set -euo pipefail
for bucket in ${FANOUT_BUCKETS:-fanout}; do
    awslocal s3api head-bucket --bucket "$bucket" 2>/dev/null || awslocal s3 mb "s3://$bucket"
done
