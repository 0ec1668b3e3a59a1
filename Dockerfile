FROM python:3.11-slim

# The organisers' three lines, with the packages between them, so that packages are installed again only if they change.
# The folders model, training_data, test_data and test_outputs are mounted in PLACE; for 2025: --build-arg PLACE=/challenge
ARG PLACE=/physionet
RUN mkdir ${PLACE}
WORKDIR ${PLACE}
COPY ./requirements.txt ${PLACE}
RUN pip install --no-cache-dir -r requirements.txt
COPY ./ ${PLACE}
