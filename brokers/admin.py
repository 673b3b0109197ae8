"""kafka-python's admin client, which reads an error in an answer as an empty value, with those errors raised."""

from collections.abc import Iterable
from typing import Any

from kafka.admin import KafkaAdminClient
from kafka.errors import GroupIdNotFoundError, UnknownTopicOrPartitionError

from brokers.explain import failed, needing


class CheckedAdmin(KafkaAdminClient):  # type: ignore[misc]
    """Raises the error of a topic or a group where the base class leaves its settings or its members out."""

    @classmethod
    def _describe_configs_process_responses(cls, responses: Iterable[Any], config_filter: Any = "modified") -> Any:  # noqa: ANN401
        for response in responses:
            for result in response.results:
                error = failed(result.error_code, result.error_message)
                # A topic that is just being made or deleted: its settings are left out.
                if error is not None and not isinstance(error, UnknownTopicOrPartitionError):
                    raise needing(error, "DescribeConfigs", "topic", result.resource_name)
        return super()._describe_configs_process_responses(responses, config_filter)

    def _describe_groups_process_response(self, response: Any) -> Any:  # noqa: ANN401
        for group in response.groups:
            error = failed(group.error_code)
            if error is not None and not isinstance(error, GroupIdNotFoundError):  # nobody is in it yet
                raise needing(error, "Describe", "group", group.group_id)
        return super()._describe_groups_process_response(response)
