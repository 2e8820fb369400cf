"""deploy/aws-account.yaml and deploy/aws.yaml through Ray's own provider, against an AWS played in the process."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RANGE = "203.0.113.7/32"  # of those kept for documentation
IMAGE = "ami-12c6146b"  # one that moto has
POOLS = ["multi-gpu", "multi-gpu-spot", "single-gpu", "single-gpu-spot"]


def cluster() -> Any:
    return yaml.safe_load((ROOT / "deploy/aws.yaml").read_text())


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """Clients by service, after the stack of docs/aws.md was made."""
    import boto3
    from moto import mock_aws

    monkeypatch.setenv("HOME", str(tmp_path))
    region = cluster()["provider"]["region"]
    with mock_aws():

        def client(service: str) -> Any:
            return boto3.client(service, region_name=region)

        client("ssm").put_parameter(Name="/image", Value=IMAGE, Type="String")
        (vpc,) = client("ec2").describe_vpcs()["Vpcs"]
        values = {"SshRange": RANGE, "Vpc": vpc["VpcId"], "Bucket": "twofold-test"}
        # moto has no image under the name by which AWS lists it.
        template = re.sub(r"/aws/service/\S+", "/image", (ROOT / "deploy/aws-account.yaml").read_text())
        client("cloudformation").create_stack(
            StackName="twofold",
            TemplateBody=template,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()],
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        yield client


@pytest.fixture
def bootstrapped(aws: Any) -> Any:
    from ray.autoscaler._private.aws.config import bootstrap_aws
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = prepare_config(cluster())
    validate_config(config)
    return bootstrap_aws(config)


def group_of(aws: Any) -> Any:
    (group,) = [g for g in aws("ec2").describe_security_groups()["SecurityGroups"] if g["GroupName"] != "default"]
    return group


def test_ssh_alone_is_open_and_to_the_users_own_range_alone(aws: Any, bootstrapped: Any) -> None:
    group = group_of(aws)  # the only one: Ray made none of its own, which would let ssh in from everywhere
    opened = [
        (rule["IpProtocol"], rule.get("FromPort"), [r["CidrIp"] for r in rule["IpRanges"]])
        for rule in group["IpPermissions"]
        if rule["IpRanges"] or rule.get("Ipv6Ranges")
    ]
    assert opened == [("tcp", 22, [RANGE])]
    (among,) = [rule for rule in group["IpPermissions"] if rule["UserIdGroupPairs"]]
    assert among["IpProtocol"] == "-1" and [p["GroupId"] for p in among["UserIdGroupPairs"]] == [group["GroupId"]]


def test_ranges_wider_than_16_bits_are_refused() -> None:
    pattern = re.search(r"AllowedPattern: '(.*)'", (ROOT / "deploy/aws-account.yaml").read_text())
    assert pattern
    allowed = re.compile(pattern[1])
    assert allowed.fullmatch(RANGE) and allowed.fullmatch("203.0.0.0/16")
    assert not allowed.fullmatch("0.0.0.0/0") and not allowed.fullmatch("203.0.0.0/8")


def allowed(aws: Any, role: str) -> dict[str, Any]:
    """Resources by action."""
    iam = aws("iam")
    assert iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"] == []
    found = {}
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        whole = yaml.safe_load(document) if isinstance(document, str) else document  # as moto has it
        for statement in whole["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            found |= {action: (statement["Resource"], statement.get("Condition")) for action in actions}
    return found


def test_workers_reach_the_bucket_alone_and_the_head_starts_and_ends_its_own(aws: Any) -> None:
    worker, head = allowed(aws, "twofold-worker"), allowed(aws, "twofold-head")
    assert {action.split(":")[0] for action in worker} == {"s3"}
    assert {resource for resource, _ in worker.values()} == {
        "arn:aws:s3:::twofold-test", "arn:aws:s3:::twofold-test/*"
    }  # fmt: skip
    more = {action: rule for action, rule in head.items() if action not in worker}
    assert set(more) == {
        "ec2:Describe*", "ec2:RunInstances", "ec2:CreateTags", "ec2:TerminateInstances", "iam:PassRole"
    }  # fmt: skip
    ends = {"StringEquals": {"ec2:ResourceTag/ray-cluster-name": cluster()["cluster_name"]}}
    assert more["ec2:TerminateInstances"] == ("*", ends)
    assert more["iam:PassRole"][0].endswith(":role/twofold-worker")
    assert [bucket["Name"] for bucket in aws("s3").list_buckets()["Buckets"]] == ["twofold-test"]
    template = (ROOT / "deploy/aws-account.yaml").read_text()  # moto does not read it
    blocks = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    assert [f"{block}: true" in template for block in blocks] == [True] * 4


@pytest.mark.parametrize("pool", ["head", *POOLS])
def test_hosts_start_as_meant(aws: Any, bootstrapped: Any, pool: str) -> None:
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider

    config = bootstrapped["available_node_types"][pool]["node_config"]
    provider = AWSNodeProvider(bootstrapped["provider"], bootstrapped["cluster_name"])
    (started,) = provider.create_node(config, {"ray-node-kind": "worker", "ray-node-name": pool}, 1)
    (reservation,) = aws("ec2").describe_instances(InstanceIds=[started])["Reservations"]
    (host,) = reservation["Instances"]
    assert host["ImageId"] == IMAGE and host["KeyName"] == "twofold"
    assert [g["GroupId"] for g in host["SecurityGroups"]] == [group_of(aws)["GroupId"]]
    role = "twofold-head" if pool == "head" else "twofold-worker"
    assert config["IamInstanceProfile"]["Name"] == role and config["MetadataOptions"] == {"HttpTokens": "required"}
    assert (host.get("InstanceLifecycle") == "spot") is pool.endswith("spot")
    gpus = {"head": ("m6i", 0), "single": ("g5", 1), "multi": ("g5", 4)}[pool.split("-")[0]]
    has = bootstrapped["available_node_types"][pool]["resources"].get("GPU", 0)
    assert (host["InstanceType"].split(".")[0], has) == gpus
    tags = {tag["Key"]: tag["Value"] for tag in host["Tags"]}
    assert tags["ray-cluster-name"] == "twofold"
    assert oct((Path.home() / ".ssh" / "twofold.pem").stat().st_mode)[-3:] == "600"


def test_hosts_come_when_asked_for_and_go_when_idle_with_the_versions_of_the_constraints() -> None:
    config = cluster()
    pools = config["available_node_types"]
    assert config["idle_timeout_minutes"] <= 15 and config["provider"]["cache_stopped_nodes"] is False
    assert sorted(pools) == ["head", *POOLS]
    assert [pools[pool]["min_workers"] for pool in POOLS] == [0] * 4 and pools["head"]["max_workers"] == 0
    assert "make -C ~/twofold setup" in config["setup_commands"] and config["head_setup_commands"] == []
    assert {"~/twofold/constraints.txt", "~/.ray/auth_token"} <= set(config["file_mounts"])
    mounted = [local for local in config["file_mounts"].values() if not local.startswith("~")]
    assert all((ROOT / local).exists() for local in mounted)
    head, worker = config["head_start_ray_commands"][1], config["worker_start_ray_commands"][1]
    assert "--dashboard-host=127.0.0.1" in head and "TWOFOLD_HOSTS_WITHIN_S=" in head
    assert all("RAY_AUTH_MODE=token" in command for command in (head, worker))


def test_at_most_five_commands() -> None:
    block = (ROOT / "docs/aws.md").read_text().split("```")[1]
    assert len(block.strip().splitlines()) == 5
