FROM python:3.11-slim

# The organisers' three lines: they mount model, training_data, test_data and test_outputs below /physionet.
RUN mkdir /physionet
COPY ./ /physionet
WORKDIR /physionet

RUN pip install --no-cache-dir -r requirements.txt
